"""The manifests grant what the code asks for, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from workers.kubernetes.kinds import KINDS
from workers.kubernetes.rights import NEEDED, Right

BASE = Path(__file__).parents[2] / "deploy" / "kustomize" / "base"
ACCOUNT = [{"kind": "ServiceAccount", "name": "netcheck", "namespace": "netcheck"}]


def manifests() -> list[Any]:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    return [doc for name in listed for doc in yaml.safe_load_all((BASE / name).read_text())]


def granted(role: Any) -> set[Right]:
    namespace = role["metadata"].get("namespace", "")
    return {
        Right(verb, group, resource, namespace, name)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }


def of_kind(kind: str) -> list[Any]:
    return [doc for doc in manifests() if doc["kind"] == kind]


def test_the_roles_grant_exactly_the_needed_rights() -> None:
    roles = of_kind("ClusterRole") + of_kind("Role")
    assert set().union(*(granted(role) for role in roles)) == set(NEEDED)


def test_every_watched_kind_may_be_listed_and_watched() -> None:
    assert {Right(verb, k.group, k.plural) for k in KINDS for verb in ("list", "watch")} <= set(NEEDED)


def test_the_roles_are_bound_to_our_account_and_to_no_other() -> None:
    bindings = of_kind("ClusterRoleBinding") + of_kind("RoleBinding")
    roles = of_kind("ClusterRole") + of_kind("Role")
    assert [b["subjects"] for b in bindings] == [ACCOUNT, ACCOUNT]
    assert [(b["roleRef"]["kind"], b["roleRef"]["name"]) for b in bindings] == [(r["kind"], r["metadata"]["name"]) for r in roles]
    (account,) = of_kind("ServiceAccount")
    assert (account["metadata"]["name"], account["metadata"]["namespace"]) == ("netcheck", "netcheck")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_helper.facts.sysctl_files import Assignment, Query, SysctlFiles, assignments, collect, normal
from node_helper.protocol import CannotLook
from tests.pretend_kernel import PretendKernel

KEY = "net.netfilter.nf_conntrack_max"


def look(files: dict[str, str], key: str = KEY) -> SysctlFiles:
    return collect(PretendKernel(files=files), Query(key))


def test_both_spellings_are_found_and_the_last_file_by_name_wins() -> None:
    seen = look(
        {
            "/etc/sysctl.d/50-a.conf": "# comment\nnet.netfilter.nf_conntrack_max = 1\n",
            "/usr/lib/sysctl.d/90-b.conf": "net/netfilter/nf_conntrack_max=2\n",
            "/run/sysctl.d/60-c.conf": "-net.netfilter.nf_conntrack_max = 3\n; net.netfilter.nf_conntrack_max = 9\n",
        }
    )
    assert [(a.path.split("/")[-1], a.line, a.value) for a in seen.assignments] == [
        ("50-a.conf", 2, "1"),
        ("60-c.conf", 1, "3"),
        ("90-b.conf", 1, "2"),
    ]
    assert seen.wins == Assignment("/usr/lib/sysctl.d/90-b.conf", 1, "net/netfilter/nf_conntrack_max", "2")


@pytest.mark.parametrize(
    "spelling", ["net.nf_conntrack_max", "net/nf_conntrack_max", "-net.nf_conntrack_max", "net.nf_conntrack_ma?"]
)
def test_the_other_name_of_the_same_value_means_it_too(spelling: str) -> None:
    seen = look(
        {"/etc/sysctl.d/50-a.conf": f"{KEY} = 1\n", "/etc/sysctl.d/60-b.conf": f"{spelling} = 2\nnet.nf_conntrack_buckets = 3\n"}
    )
    assert [a.value for a in seen.assignments] == ["1", "2"]
    assert (seen.wins and seen.wins.value) == ("1" if "?" in spelling else "2")
    assert look({"/etc/sysctl.conf": "net.nf_conntrack_max=4"}, "net.nf_conntrack_max").key == "net/netfilter/nf_conntrack_max"


def test_a_file_of_the_same_name_in_an_earlier_folder_hides_the_other() -> None:
    seen = look({"/usr/lib/sysctl.d/50-a.conf": f"{KEY}=1\n", "/etc/sysctl.d/50-a.conf": f"{KEY}=2\n"})
    assert (seen.wins and seen.wins.value, seen.hidden) == ("2", ("/usr/lib/sysctl.d/50-a.conf",))


def test_sysctl_conf_is_applied_last() -> None:
    seen = look({"/etc/sysctl.d/zz.conf": f"{KEY}=1\n", "/etc/sysctl.conf": f"{KEY}=2\n"})
    assert seen.wins is not None
    assert seen.wins.path == "/etc/sysctl.conf"


def test_systemd_reads_sysctl_conf_only_where_it_is_linked() -> None:
    files = {"/run/systemd/system/x": "", "/etc/sysctl.d/10-a.conf": f"{KEY}=1\n", "/etc/sysctl.conf": f"{KEY}=2\n"}
    seen = look(files)
    assert (seen.wins and seen.wins.value, seen.hidden) == ("1", ("/etc/sysctl.conf",))
    linked = look({**files, "/etc/sysctl.d/99-sysctl.conf": f"{KEY}=2\n", "/etc/sysctl.d/99-z.conf": f"{KEY}=3\n"})
    assert [a.path for a in linked.assignments] == [f"/etc/sysctl.d/{n}.conf" for n in ("10-a", "99-sysctl", "99-z")]
    assert (linked.wins and linked.wins.value) == "3"


MODULAR = {"/proc/modules": "xt_conntrack 1 2 - Live 0x0\nnf_conntrack 1 2 - Live 0x0\n"}
WRITTEN = {**MODULAR, "/etc/sysctl.d/50-a.conf": f"{KEY}=1\n"}


@pytest.mark.parametrize(
    ("more", "late"),
    [
        ({}, "nf_conntrack"),
        ({"/etc/modules-load.d/k8s.conf": "overlay\nbr_netfilter\n# nf_conntrack\n"}, "nf_conntrack"),
        ({"/etc/modules-load.d/k8s.conf": "overlay\nnf-conntrack\n"}, ""),
        ({"/usr/lib/modules-load.d/ipvs.conf": "ip_vs\nip_vs_rr\n"}, ""),
        ({"/etc/modules": "nf_conntrack hashsize=65536\n"}, ""),
        ({"/etc/udev/rules.d/50-c.rules": 'ACTION=="add", KERNEL=="nf_conntrack", RUN+="/lib/systemd/systemd-sysctl"\n'}, ""),
        ({"/proc/modules": "xt_conntrack 1 2 - Live 0x0\n"}, ""),
    ],
)
def test_what_is_applied_before_its_module_is_there_is_not_applied(more: dict[str, str], late: str) -> None:
    assert look({**WRITTEN, **more}).late == late


def test_a_kernel_without_modules_and_other_settings_wait_for_nothing() -> None:
    assert look({"/etc/sysctl.d/50-a.conf": f"{KEY}=1\n"}).late == ""
    assert look({**MODULAR, "/etc/sysctl.d/50-a.conf": "net.ipv4.ip_forward=1\n"}, "net.ipv4.ip_forward").late == ""
    assert look(MODULAR).late == "nf_conntrack"


def test_a_pattern_gives_way_to_the_key_itself() -> None:
    files = {
        "/etc/sysctl.d/99.conf": "net.ipv4.conf.*.rp_filter = 2\n",
        "/etc/sysctl.d/10.conf": "net.ipv4.conf.eth0.rp_filter = 0\n",
    }
    assert [a.value for a in look(files, "net.ipv4.conf.eth0.rp_filter").assignments] == ["0", "2"]
    assert (look(files, "net/ipv4/conf/eth0/rp_filter").wins or Assignment("", 0, "", "?")).value == "0"
    assert (look(files, "net/ipv4/conf/eth1/rp_filter").wins or Assignment("", 0, "", "?")).value == "2"
    files["/etc/sysctl.d/20.conf"] = "-net.ipv4.conf.eth1.rp_filter\n"
    assert look(files, "net/ipv4/conf/eth1/rp_filter").wins is None


def test_nothing_is_persisted_where_no_file_says_so() -> None:
    assert (look({}).wins, look({}).assignments) == (None, ())


def test_dots_in_names_stay_where_the_key_is_spelled_with_slashes() -> None:
    assert normal("net/ipv4/conf/eth0.100/rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"
    assert normal("net.ipv4.conf.eth0/100.rp_filter") == "net/ipv4/conf/eth0.100/rp_filter"


def test_a_link_to_dev_null_silences_a_file_and_other_trouble_is_told() -> None:
    class Odd(PretendKernel):
        kind = "malformed"

        def read(self, path: str, limit: int = 1 << 20) -> str | None:
            if path == "/etc/sysctl.d/50-a.conf":
                raise CannotLook(f"{path} is not a regular file", kind=self.kind)
            return super().read(path, limit)

    odd = Odd(files={"/etc/sysctl.d/50-a.conf": "", "/usr/lib/sysctl.d/50-a.conf": f"{KEY}=1\n"})
    assert collect(odd, Query(KEY)).wins is None
    odd.kind = "denied"
    with pytest.raises(CannotLook):
        collect(odd, Query(KEY))


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    found = list(assignments("/x", text))
    assert all(a.line >= 1 for a in found)
    look({"/etc/sysctl.conf": text}, text or KEY)

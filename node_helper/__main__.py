"""`node-helper serve`: started by an SSH forced command where it is installed, with --pushed for trying out."""

import gc
import sys

OLDEST = (3, 9)
TOO_OLD = 3

if sys.version_info < OLDEST:  # said here, because the other files would fail to compile
    sys.stderr.write(f"node-helper needs Python 3.9 or newer, this is {sys.version_info[0]}.{sys.version_info[1]}\n")
    sys.exit(TOO_OLD)


def main(argv: list[str]) -> int:
    """Serve; print the schemas that an installation keeps beside the code; or say how this is called."""
    if argv not in (["serve"], ["serve", "--pushed"], ["schemas"]):
        sys.stderr.write("usage: node-helper serve [--pushed] | schemas\n")
        return 2
    gc.disable()  # what is imported stays: looking through it for garbage takes a tenth of the start
    from node_helper import known

    if argv == ["schemas"]:
        from node_helper.wire import text

        sys.stdout.write(text(known.ours().schemas) + "\n")
        return 0
    from node_helper.linux import Linux
    from node_helper.serve import serve

    gc.freeze()
    gc.enable()
    installed = "--pushed" not in argv
    serve(known.ours(), lambda stop: Linux(stop, installed=installed), installed=installed)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

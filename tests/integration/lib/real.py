"""What must hold of a profile of any real program, and the figures worth printing."""
import collections
import re
import shutil

from . import shares

# Functions that nothing calls: a stack that ends in one of them has reached its root.
ROOTS = re.compile(r"^(_start|__clone3?|clone3?|start_thread|runtime\.(goexit|mstart\w*|rt0_go|mcall|systemstack|morestack|"
                   r"gogo|sigreturn\w*|asmcgocall)\b.*|_rt0_\w+|ret_from_fork.*|_dl_start|_dl_start_user|__restore_rt)(\.abi0)?$")
MADE_UP = re.compile(r"^\[.*\]\+0x[0-9a-f]+$")  # [object]+0xSTART: one function, without a symbol
PSEUDO = re.compile(r"^\[[^\]]*\]$")  # [truncated: 512 frames], [unsampled], ...
KERNEL = "[kernel"


def have(tool):
    return shutil.which(tool) is not None


def is_kernel(frame):
    return frame.mapping is not None and frame.mapping.file.startswith(KERNEL)


def is_kernel_name(name):
    """Names by which Go's profile shows what is not the program's."""
    return name.startswith(("[", "vdso"))


def figures(p):
    """Shares that matter: of stacks that reach their root, of frames with a name; and the roots that are none."""
    rooted = user = named = frames = 0
    ends = collections.Counter()
    for s in p.samples:
        n = s.values[0]
        stack = p.frames(s)
        frames += n * len(stack)
        named += n * sum(not MADE_UP.match(f.name) and not PSEUDO.match(f.name) for f in stack)
        mine = [f for f in stack if not is_kernel(f)]
        if not mine or all(PSEUDO.match(f.name) for f in mine):
            continue
        user += n
        last, before = mine[-1], mine[-2:-1]
        # Without libc's symbols the roots of threads are two functions of libc without a name.
        in_libc = bool(MADE_UP.match(last.name)) and all(re.search(r"/libc\.so|/libpthread", f.mapping.file) for f in [last, *before])
        # Go's own profiles leave out what calls a goroutine's first function, and so do ours; the
        # collector's count (below) says whether the root was reached.
        if ROOTS.match(last.name) or in_libc or last.file.endswith(".go"):
            rooted += n
        else:
            ends[last.name] += n
    said = p.comment(r"stacks that reach their root: \d+ \(([\d.]+) %\)")
    return {"samples": p.total(), "user": user, "rooted": rooted / user if user else 0.0,
            "said": float(said[1]) / 100 if said else 1.0,
            "named": named / frames if frames else 0.0, "ends": ends.most_common(8)}


def check_names(case, p):
    """No frame without a function: a symbol, [object]+0xSTART, or a pseudo frame that says what it is."""
    for f in p.functions.values():
        case.assertNotRegex(f.name, r"^(0x)?[0-9a-f]{4,}$", "an address is no name")
        case.assertFalse(f.name.startswith(("??", "<unknown", "unknown")), f.name)
        case.assertFalse(re.match(r"^(_Z[A-Z0-9]|_R[NICMX])\w+$", f.name), f"{f.name} is mangled")


def report(title, p):
    f = figures(p)
    print(f"        {title}: {f['samples']} samples, {100 * f['rooted']:.2f} % of {f['user']} stacks reach the root, "
          f"{100 * f['named']:.1f} % of frames have a name" + (f"; others end in {f['ends'][:3]}" if f["ends"] else ""), flush=True)
    for c in p.comments:
        print(f"        comment: {c}")
    return f


def check_rooted(case, p, title, least=0.99):
    f = report(title, p)
    # With N stacks the share seen is off by four sd of sqrt(q (1 - q) / N).
    allowed = shares.tolerance(least, f["user"]) if least < 1 else 0
    for which in ("rooted", "said"):
        case.assertGreaterEqual(f[which], least - (allowed if f["user"] < 1000 else 0), (which, f["ends"]))
    return f

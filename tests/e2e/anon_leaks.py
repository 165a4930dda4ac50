"""What of a capture is found again in two outputs of `weir anon` that differ by their key alone.

    anon_leaks.py WEIR KEY VALUES OUT1 OUT2

VALUES: lines of originals as tshark has them (addresses, MAC addresses, names, separated by commas and tabs). What depends on the key is another
in each output, so what is a leak stands in both, at the same place. Values that the policy keeps (`weir anon --map` gives them back) are none, nor are
those that numbers are often (zeros, few different bytes). Prints a line for each leak, and how much was searched on standard error.
"""
import ipaddress
import re
import subprocess
import sys

KEPT = {b"in-addr", b"_services", b"_dns-sd"}
WORD = re.compile(rb"[a-z0-9_-]")
LEAST = 6  # bytes of a label that is searched for


def read_values(path):
    addresses, macs, labels = set(), set(), set()
    with open(path, encoding="utf-8", errors="replace") as lines:
        words = {word for line in lines for word in re.split(r"[\t,\n]", line) if word}
    for word in words:
        if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", word):
            macs.add(word)
            continue
        try:
            addresses.add(str(ipaddress.ip_address(word)))
            continue
        except ValueError:
            pass
        for label in word.lower().encode().split(b"."):
            if len(label) >= LEAST and re.fullmatch(rb"[a-z0-9_-]+", label) and re.search(rb"[a-z]", label) and label not in KEPT:
                labels.add(label)
    return addresses, macs, labels


def hidden(weir, key, words):
    """Those of the words that are others afterwards."""
    words = sorted(words)
    changed = []
    for start in range(0, len(words), 1000):
        command = [weir, "anon", "--map", "--key", key] + words[start:start + 1000]
        for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            before, after = line.split()
            if before != after:
                changed.append(before)
    return changed


def telling(pattern):
    if len(pattern) == 16:
        return len(set(pattern)) > 5
    return pattern.count(0) * 4 < len(pattern) and len(set(pattern)) > 2


def equal_runs(one, other):
    """[from, to) where both have the same bytes."""
    size = max(len(one), 1)
    difference = (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(size, "big")
    return [match.span() for match in re.finditer(rb"\0{4,}", difference)]


def search(data, runs, patterns, names, names_only=False):
    """patterns: of one length; or, when they are longer than LEAST and of several, found by their first bytes."""
    if not patterns:
        return
    width = min(len(pattern) for pattern in patterns)
    by_start = {}
    for pattern in patterns:
        by_start.setdefault(pattern[:width], []).append(pattern)
    found = set()
    for start, end in runs:
        for at in range(start, end - width + 1):
            for pattern in by_start.get(data[at:at + width], ()):
                whole = at + len(pattern)
                if whole > end or not data.startswith(pattern, at) or pattern in found:
                    continue
                # A label stands by itself: secure is not in Upgrade-Insecure-Requests.
                if not names_only or not (WORD.match(data[at - 1:at]) or WORD.match(data[whole:whole + 1])):
                    found.add(pattern)
                    print(f"{names[pattern]} at {at}")


def main():
    weir, key, values, first, second = sys.argv[1:]
    with open(first, "rb") as one, open(second, "rb") as other:
        one, other = one.read(), other.read()
    if len(one) != len(other):
        print(f"the outputs differ in length: {len(one)} and {len(other)} bytes")
        return
    runs = equal_runs(one, other)
    addresses, macs, labels = read_values(values)
    names = {ipaddress.ip_address(word).packed: word for word in hidden(weir, key, addresses)}
    names.update({bytes.fromhex(word.replace(":", "")): word for word in hidden(weir, key, macs)})
    for width in (4, 6, 16):
        search(one, runs, [pattern for pattern in names if len(pattern) == width and telling(pattern)], names)
    search(one.lower(), runs, sorted(labels), {label: label.decode() for label in labels}, True)
    print(f"{len(addresses)} addresses, {len(macs)} MAC addresses, {len(labels)} labels", file=sys.stderr)


main()

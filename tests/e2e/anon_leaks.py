"""What of a capture is found again in two outputs of `weir anon` that differ by their key alone.

    anon_leaks.py WEIR KEY VALUES OUT1 OUT2

VALUES: lines of originals as tshark has them (addresses, MAC addresses, names, separated by commas and tabs). What depends on the key is another
in each output. So what is a leak stands in both, at the same place. Values that the policy keeps (by `weir anon --map` they are themselves) are
none. Prints a line for each leak.
"""
import ipaddress
import re
import subprocess
import sys

STRUCTURE = {b"in-addr", b"local", b"localhost", b"_services", b"_dns-sd"}


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
            if len(label) >= 6 and re.fullmatch(rb"[a-z0-9_-]+", label) and re.search(rb"[a-z]", label) and label not in STRUCTURE:
                labels.add(label)
    return addresses, macs, labels


def hidden(weir, key, words):
    """Those of the words that are not themselves afterwards."""
    words = sorted(words)
    changed = []
    for start in range(0, len(words), 1000):
        out = subprocess.run([weir, "anon", "--map", "--key", key] + words[start:start + 1000], capture_output=True, text=True, check=True).stdout
        for line in out.splitlines():
            before, after = line.split()
            if before.lower() != after.lower():
                changed.append(before)
    return changed


def same_runs(one, other):
    """The bytes of one where the other has the same, and 0x01 or 0x02, which is in no label, elsewhere: found runs are contiguous."""
    a = int.from_bytes(one, "big")
    b = int.from_bytes(other, "big")
    return (a ^ b).to_bytes(len(one), "big")


def main():
    weir, key, values, first, second = sys.argv[1:]
    one, other = open(first, "rb").read(), open(second, "rb").read()
    if len(one) != len(other):
        print(f"outputs differ in length: {len(one)} {len(other)}")
        return
    difference = same_runs(one, other)
    lower = one.lower()
    addresses, macs, labels = read_values(values)
    patterns = [(word, ipaddress.ip_address(word).packed, one) for word in hidden(weir, key, addresses)]
    patterns += [(word, bytes.fromhex(word.replace(":", "")), one) for word in hidden(weir, key, macs)]
    patterns += [(label.decode(), label, lower) for label in labels]
    for word, pattern, data in patterns:
        at = data.find(pattern)
        while at >= 0:
            if not any(difference[at:at + len(pattern)]):
                print(f"{word} at {at}")
                break
            at = data.find(pattern, at + 1)
    print(f"searched {len(patterns)}", file=sys.stderr)


main()

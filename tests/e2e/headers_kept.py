"""What tshark says of where headers end, against what was kept of the packets.

headers_kept.py BEFORE AFTER: a line for each packet whose length on the wire is another, or of which a byte behind the transport header is left. A packet may have
less than its headers where weir does not know one of them, and more where it follows a tunnel that tshark does not: then tshark must find no payload in it.
"""
import subprocess
import sys
import xml.etree.ElementTree as tree

FIXED = {'udp': 8, 'udplite': 8, 'sctp': 12, 'icmp': 8, 'icmpv6': 8, 'igmp': 8}
NOTHING_INSIDE = {'icmp', 'icmpv6', 'igmp', 'esp'}
# Inside these tshark may not follow, or (IPComp) counts from the beginning of what it decompressed.
TUNNELS = {'vxlan', 'geneve', 'gtp', 'l2tp', 'teredo', 'ppp', 'mpls', 'arp', 'ipcomp'}
VXLAN = '4789'
NO_REASSEMBLY = ['-o', 'ip.defragment:FALSE', '-o', 'ipv6.defragment:FALSE', '-o', 'tcp.desegment_tcp_streams:FALSE']


def fields(path):
    command = ['tshark', '-r', path, '-n', *NO_REASSEMBLY, '-T', 'fields', '-e', 'frame.cap_len', '-e', 'frame.len', '-e', 'frame.protocols', '-e', 'udp.dstport']
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return [line.split('\t') for line in output.splitlines()]


def ends(path):
    """Where the innermost transport header of each packet ends; None: it has none."""
    command = ['tshark', '-r', path, '-n', *NO_REASSEMBLY, '-T', 'pdml', '-J', ' '.join(['tcp', *FIXED, 'esp'])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for _, packet in tree.iterparse(process.stdout):
        if packet.tag != 'packet':
            continue
        end = None
        for proto in packet.findall('proto'):
            name = proto.get('name')
            if proto.get('pos') is None:  # made up by tshark: no bytes
                continue
            at = int(proto.get('pos'))
            if name == 'tcp':
                length = proto.find("field[@name='tcp.hdr_len']")
                end = at + max(20, int(length.get('show')) if length is not None else 20)
            elif name in FIXED:
                end = at + FIXED[name]
            elif name == 'esp':
                end = at + 8
            if name in NOTHING_INSIDE:
                break
        yield end
        packet.clear()


def main():
    before, after = fields(sys.argv[1]), fields(sys.argv[2])
    if len(before) != len(after):
        print(f'{len(before)} packets became {len(after)}')
    cut = 0
    for number, (a, b, end) in enumerate(zip(before, after, ends(sys.argv[1])), 1):
        if a[1] != b[1]:
            print(f'packet {number}: its length was {a[1]} and is {b[1]}')
        cut += int(b[0]) < int(a[0])
        tunnel = TUNNELS & set(a[2].split(':')) or VXLAN in a[3].split(',')
        if end is not None and int(b[0]) > end and not tunnel:
            print(f'packet {number}: headers end at {end}, kept {b[0]} ({a[2]})')
    print(f'{len(before)} packets, {cut} cut', file=sys.stderr)


main()

"""Compares what the program `datagrams` reads with the values that stand beside the datagrams: datagram_vectors.py TOOL FOLDER. Speaks TAP."""
import datetime
import json
import subprocess
import sys

CERT, IXIA, REVERSE = 6871, 3054, 29305

# Names as the expected values have them: the element, those of which one is there, or [enterprise, element].
NAMES = {
    # NetFlow v5 and v9
    "ipv4_src_addr": 8, "ipv4_dst_addr": 12, "ipv4_next_hop": 15, "input_snmp": 10, "output_snmp": 14, "in_pkts": 2, "in_bytes": 1,
    "out_pkts": 24, "out_bytes": 23, "first_switched": 22, "last_switched": 21, "l4_src_port": 7, "l4_dst_port": 11, "tcp_flags": 6,
    "protocol": 4, "src_tos": 5, "src_as": 16, "dst_as": 17, "src_mask": 9, "dst_mask": 13, "ip_protocol_version": 60, "direction": 61,
    "conn_id": 148, "icmp_type": (176, 32), "icmp_code": 177, "xlate_src_addr_ipv4": (225, 40001), "xlate_dst_addr_ipv4": (226, 40002), "xlate_src_port": (227, 40003),
    "xlate_dst_port": (228, 40004), "fw_event": (233, 40005), "fw_ext_event": 33002, "event_time_msec": 323, "in_permanent_bytes": 85, "flow_start_msec": 152,
    "username": 40000, "total_flows_exp": 42, "total_pkts_exp": 41, "total_bytes_exp": 40, "flow_active_timeout": 36,
    "flow_inactive_timeout": 37, "sampling_algorithm": 35, "sampling_interval": 34, "in_src_mac": 56, "in_dst_mac": 80, "ethernetType": 256,
    "ingressPhysicalInterface": 252, "egressPhysicalInterface": 253, "tcpOptions": 209, "forwarding_status": 89, "flow_sampler_id": 48,
    "src_traffic_index": 92, "dst_traffic_index": 93, "flow_end_reason": 136, "application_id": 95, "ingressVRFID": 234, "egressVRFID": 235,
    "bgp_ipv4_next_hop": 18, "ipv4_src_prefix": 44, "ip_dscp": 195, "tcp_src_port": 182, "udp_dst_port": 181, "ipv4_ident": 54,
    "wtpMacAddress": 367, "staMacAddress": 365, "staIPv4Address": 366, "wlanSSID": 147, "postIpDiffServCodePoint": 98,
    "privateEnterpriseNumber": 346, "app_id": 56701, "user_id": 56702, "ingress_acl_id": 33000, "egress_acl_id": 33001,
    # IPFIX
    "sourceIPv4Address": 8, "destinationIPv4Address": 12, "octetDeltaCount": 1, "packetDeltaCount": 2, "ingressInterface": 10,
    "egressInterface": 14, "sourceTransportPort": 7, "destinationTransportPort": 11, "protocolIdentifier": 4, "tcpControlBits": 6,
    "ipVersion": 60, "ipClassOfService": 5, "icmpTypeCodeIPv4": 32, "vlanId": 58, "flowStartSysUpTime": 22, "flowEndSysUpTime": 21,
    "meteringProcessId": 143, "systemInitTimeMilliseconds": 160, "selectorAlgorithm": 304, "samplingPacketInterval": 305,
    "samplingPacketSpace": 306, "flowStartMilliseconds": 152, "flowEndMilliseconds": 153, "bgpSourceAsNumber": 16,
    "bgpDestinationAsNumber": 17, "flowEndReason": 136, "octetTotalCount": 86 - 1, "packetTotalCount": 86, "tcpSequenceNumber": 184,
    "exportedFlowRecordTotalCount": 42, "exporterIPv4Address": 130, "exportingProcessId": 144, "ignoredPacketTotalCount": 164,
    "notSentPacketTotalCount": 167, "droppedPacketTotalCount": 135,
    "reverseOctetTotalCount": [REVERSE, 85], "reversePacketTotalCount": [REVERSE, 86], "reverseVlanId": [REVERSE, 58],
    "reverseIpClassOfService": [REVERSE, 5], "reverseTcpSequenceNumber": [REVERSE, 184], "reverseIcmpTypeCodeIPv4": [REVERSE, 32],
    "initialTCPFlags": [CERT, 14], "unionTCPFlags": [CERT, 15], "reverseFlowDeltaMilliseconds": [CERT, 21], "silkAppLabel": [CERT, 33],
    "flowAttributes": [CERT, 40], "reverseInitialTCPFlags": [CERT, 14 | 0x4000], "reverseUnionTCPFlags": [CERT, 15 | 0x4000],
    "reverseFlowAttributes": [CERT, 40 | 0x4000], "expiredFragmentCount": [CERT, 100], "assembledFragmentCount": [CERT, 101],
    "meanFlowRate": [CERT, 102], "meanPacketRate": [CERT, 103], "flowTableFlushEventCount": [CERT, 104], "flowTablePeakCount": [CERT, 105],
    "ixiaL7AppId": [IXIA, 110], "ixiaL7AppName": [IXIA, 111], "ixiaSrcLatitude": [IXIA, 126], "ixiaSrcLongitude": [IXIA, 127],
    "ixiaDstLatitude": [IXIA, 146], "ixiaDstLongitude": [IXIA, 147], "ixiaBrowserId": [IXIA, 162], "ixiaBrowserName": [IXIA, 163],
    "ixiaDeviceId": [IXIA, 160], "ixiaDeviceName": [IXIA, 161], "ixiaRevOctetDeltaCount": [IXIA, 176],
    "ixiaRevPacketDeltaCount": [IXIA, 177], "ixiaHttpHostName": [IXIA, 182], "ixiaHttpUri": [IXIA, 183], "ixiaHttpUserAgent": [IXIA, 184],
    "ixiaSrcAsName": [IXIA, 186], "ixiaDstAsName": [IXIA, 187], "ixiaLatency": [IXIA, 188], "ixiaThreatType": [IXIA, 192],
    "ixiaThreatIPv4": [IXIA, 193],
    "scope_system": [4294967295, 1],
}
# And the column of a flow record that holds it.
COLUMNS = {
    "ipv4_src_addr": "source_address", "ipv4_dst_addr": "destination_address", "in_pkts": "packets", "in_bytes": "ip_bytes",
    "out_pkts": "reverse_packets", "out_bytes": "reverse_ip_bytes", "l4_src_port": "source_port", "l4_dst_port": "destination_port",
    "tcp_flags": "tcp_flags", "protocol": "protocol", "ip_protocol_version": "ip_version", "first_switched": "flow_start",
    "last_switched": "flow_end", "flow_start_msec": "flow_start", "in_src_mac": "source_mac", "in_dst_mac": "destination_mac",
    "flow_end_reason": "flow_end_reason", "ip_dscp": "dscp", "app_id": "application", "icmp_type": "icmp_type", "icmp_code": "icmp_code",
    "sourceIPv4Address": "source_address", "destinationIPv4Address": "destination_address", "octetDeltaCount": "ip_bytes",
    "packetDeltaCount": "packets", "sourceTransportPort": "source_port", "destinationTransportPort": "destination_port",
    "protocolIdentifier": "protocol", "tcpControlBits": "tcp_flags", "ipVersion": "ip_version", "vlanId": "vlan",
    "flowStartMilliseconds": "flow_start", "flowEndMilliseconds": "flow_end", "flowEndReason": "flow_end_reason",
    "octetTotalCount": "ip_bytes", "packetTotalCount": "packets", "reverseOctetTotalCount": "reverse_ip_bytes",
    "reversePacketTotalCount": "reverse_packets", "initialTCPFlags": "tcp_flags_initial", "unionTCPFlags": "tcp_flags",
    "reverseInitialTCPFlags": "reverse_tcp_flags_initial", "reverseUnionTCPFlags": "reverse_tcp_flags",
    "ixiaL7AppName": "application", "ixiaRevOctetDeltaCount": "reverse_ip_bytes", "ixiaRevPacketDeltaCount": "reverse_packets",
}
HEADER = {"version", "flow_seq_num", "flowset_id", "engine_type", "engine_id", "flow_records"}
WRAP_NS = 2**32 * 1000000


def nanoseconds(text):
    t = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return int(t.timestamp()) * 10**9 + t.microsecond * 1000


def address(text):
    return "".join("%02x" % int(n) for n in text.split("."))


def is_time(text):
    return isinstance(text, str) and len(text) == 24 and text[10] == "T"


def differs(name, expected, raw):
    """Why the raw bytes of a field are not what is expected; None when they are."""
    number = int(raw, 16) if raw else 0
    if name == "application_id":
        parts = ["%d" % int(raw[:2], 16)]
        if parts[0] == "20":
            parts.append("%d" % int(raw[2:10], 16))
            got = "..".join(parts + ["%d" % int(raw[10:], 16)])
        else:
            got = "..".join(parts + ["%d" % int(raw[2:], 16)])
    elif name == "forwarding_status":
        got = {"status": number >> 6, "reason": number & 63}
    elif name.endswith("acl_id"):
        got = "-".join(raw[i:i + 8] for i in range(0, 24, 8))
    elif isinstance(expected, float):
        import struct
        got = struct.unpack(">f" if len(raw) == 8 else ">d", bytes.fromhex(raw))[0]
    elif isinstance(expected, int):
        got = number
    elif is_time(expected):
        got, expected = number * 1000000, nanoseconds(expected)
    elif expected.count(".") == 3 and expected.replace(".", "").isdigit():
        got, expected = raw, address(expected)
    elif expected.count(":") == 5:
        got, expected = raw, expected.replace(":", "")
    else:
        got = bytes.fromhex(raw).rstrip(b"\0").decode()
    return None if got == expected else "%s is %r, not %r" % (name, got, expected)


def differs_in_column(name, expected, got):
    if name in ("first_switched", "last_switched"):
        # The expected ones are a second late (PAN-OS's flow would end after it was exported) but for one of v5, a millisecond before
        # the boot, which is 2^32 ms late; and cut to milliseconds.
        off = (nanoseconds(expected) - got // 1000000 * 1000000) % WRAP_NS
        return None if off in (0, 10**9) else "the column of %s is %r, not %r" % (name, got, nanoseconds(expected))
    if is_time(expected):
        expected = nanoseconds(expected)
    elif name == "flow_start_msec":
        expected *= 1000000
    elif isinstance(expected, str) and expected.count(".") == 3:
        expected = address(expected)
    elif isinstance(expected, str) and expected.count(":") == 5:
        expected = expected.replace(":", "")
    elif name.startswith("icmp") and got == 2**32 - 1:
        return None  # of another protocol: no value
    return None if got == expected else "the column of %s is %r, not %r" % (name, got, expected)


def compare(expected, event):
    """What of an event is other than expected, a line each."""
    faults, flow = [], event.get("flow")
    values = expected["netflow"]
    for name, value in values.items():
        if name in HEADER:
            for key, got in (("version", "version"), ("flow_seq_num", "sequence"), ("flowset_id", "template")):
                if name == key and event[got] != value:
                    faults.append("%s is %r, not %r" % (name, event[got], value))
            continue
        if event["version"] == 5 and name.startswith("sampling"):
            continue  # of the datagram's head, and of no flow
        if name not in NAMES:
            faults.append("%s is not known to this test" % name)
            continue
        where = NAMES[name]
        if isinstance(where, list):
            keys = ["%d:%d" % tuple(where)]
        else:
            keys = ["0:%d" % element for element in (where if isinstance(where, tuple) else (where,))]
        key = next((key for key in keys if key in event["fields"]), None)
        if not key:
            faults.append("%s (%s) was not read" % (name, keys))
            continue
        uptime = name in ("first_switched", "last_switched")
        fault = None if uptime else differs(name, value, event["fields"][key])
        if fault:
            faults.append(fault)
        if flow and name in COLUMNS:
            fault = differs_in_column(name, value, flow[COLUMNS[name]])
            if fault:
                faults.append(fault)
    when = nanoseconds(expected["@timestamp"])
    if abs(event["export_ns"] - when) > 999999:
        faults.append("exported at %d, not %d" % (event["export_ns"], when))
    return faults


def main():
    tool, folder = sys.argv[1:]
    cases = json.load(open(folder + "/expected.json"))
    number = 0
    for case in cases:
        run = subprocess.run([tool] + [folder + "/" + name for name in case["datagrams"]], capture_output=True, text=True)
        events = [json.loads(line) for line in run.stdout.splitlines()]
        faults = []
        if case["decoded_events"] is not None:
            # Files of several datagrams: the expected ones are those of the first.
            if len(events) < case["decoded_events"] or (len(events) > case["decoded_events"] and len(case["datagrams"]) > 1):
                faults.append("%d records, not %d" % (len(events), case["decoded_events"]))
            if run.returncode != 0:
                faults.append("status %d" % run.returncode)
        elif run.returncode not in (0, 1):
            faults.append("status %d" % run.returncode)
        for index, expected in zip(case["event_index"], case["expected"]):
            faults += compare(expected, events[index]) if index < len(events) else ["record %d is missing" % index]
        number += 1
        print("%sok %d - %s: %s" % ("not " if faults else "", number, case["context"].strip(), " ".join(case["datagrams"])))
        for fault in faults + (run.stderr.splitlines() if faults else []):
            print("#   " + fault)
    print("1..%d" % number)


main()

#!/bin/sh
# Makes the listings again with this machine's tools, in a network namespace of its own. Root.
set -eu
cd "$(dirname "$0")"
ns="natstrace-listings-$$"
ip netns add "$ns"
trap 'ip netns del "$ns"' EXIT
in_ns() { ip netns exec "$ns" "$@"; }
in_ns nft -f host.nft
in_ns nft -j list ruleset > host.nft.json
in_ns nft -a -s list ruleset > host.nft.txt
in_ns nft flush ruleset
in_ns sh -e host.iptables
in_ns iptables-save -c > host.iptables.save
in_ns ip6tables-save -c > host.ip6tables.save
in_ns nft -j list ruleset > host.iptables.json 2> /dev/null
in_ns nft -a -s list ruleset > host.iptables.txt 2> /dev/null
in_ns nft flush ruleset
sed 's/iptables /iptables-legacy /' host.iptables | in_ns sh -e
in_ns iptables-legacy-save -c > host.iptables-legacy.save

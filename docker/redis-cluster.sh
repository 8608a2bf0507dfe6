#!/bin/sh
# The health check of a server of the Redis Cluster: fails until the cluster is whole.
#
# It also makes the cluster, and finds its servers again after their addresses have changed. Each server does so for
# itself, whatever the others do: on its first start it takes its share of the slots, and while the cluster is not
# whole it greets all that CLUSTER_MEMBERS names (HOST:PORT, each with as many slots as the next), of which it is
# CLUSTER_MEMBER.
set -eu
SLOTS=16384

ask() {
    redis-cli -e -h "${CLUSTER_MEMBER%:*}" -p "${CLUSTER_MEMBER##*:}" "$@"
}

is_whole() {
    case $(ask cluster info | tr '\r\n' '  ') in
        *cluster_state:ok*cluster_slots_ok:$SLOTS*) return 0 ;;
    esac
    return 1
}

# Eight words of itself and no slots behind them: new, or all it had was given to others. Then its share is taken,
# and this refused.
if [ "$(ask cluster nodes | grep myself | wc -w)" -eq 8 ]; then
    place=0 count=0
    for member in $CLUSTER_MEMBERS; do
        [ "$member" != "$CLUSTER_MEMBER" ] || place=$count
        count=$((count + 1))
    done
    first=$((SLOTS * place / count)) last=$((SLOTS * (place + 1) / count - 1))
    # Unquoted: one word for each slot.
    ask cluster addslots $(seq "$first" "$last") || :
fi
if is_whole; then
    exit 0
fi
for member in $CLUSTER_MEMBERS; do
    # By address, which is all that CLUSTER MEET takes. One that is not there yet is greeted by the next check.
    address=$(getent ahostsv4 "${member%:*}" | head -n 1 | cut -d ' ' -f 1)
    [ -z "$address" ] || ask cluster meet "$address" "${member##*:}"
done
is_whole

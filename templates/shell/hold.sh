# Hold a pin.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT" "$IN" "$UNTIL"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- hold "$COMPONENT" --in "$IN"
if [ -n "$UNTIL" ]; then set -- "$@" --until "$UNTIL"; fi
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"

# Take a veto back.
export SLUICEGATE_REPO='{delivery-repo}'
for word in "$COMPONENT" "$VERSION" "$IN"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- unveto "$COMPONENT=$VERSION"
if [ -n "$IN" ]; then set -- "$@" --in "$IN"; fi
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"

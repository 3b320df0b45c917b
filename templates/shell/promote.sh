# Promote. COMPONENTS is a list of words: no file names are made of them, and none may look like an option.
export SLUICEGATE_REPO='{delivery-repo}'
set -f
for word in $COMPONENTS "$TO" "$DOWNGRADE"; do
    case $word in -*) echo "a value may not begin with -: $word" >&2; exit 2 ;; esac
done
set -- promote $COMPONENTS --to "$TO"
if [ -n "$DOWNGRADE" ]; then set -- "$@" --downgrade "$DOWNGRADE"; fi
if [ -n "$WHY" ]; then set -- "$@" "--why=$WHY"; fi
exec sluicegate "$@"

set -- rollout "$ENVIRONMENT"
case $STEP in
    begin) ;;
    continue) set -- "$@" --continue ;;
    abort) set -- "$@" --abort ;;
    *) echo "unknown step: $STEP" >&2; exit 2 ;;
esac
press "$@"

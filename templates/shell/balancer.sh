no_option "$BALANCER"
case $STEP in
    in | out) press balancer "$STEP" "$BALANCER" ;;
    *) echo "expected in or out: $STEP" >&2; exit 2 ;;
esac

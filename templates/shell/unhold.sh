no_option "$COMPONENT" "$IN"
press unhold "$COMPONENT" --in "$IN"

no_option "$ONE" "$OTHER"
exec sluicegate parity "$ONE" "$OTHER"

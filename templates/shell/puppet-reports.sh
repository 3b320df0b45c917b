# A folder, or the word puppetdb for the databases that sluicegate.yaml names.
[ "$REPORTS" != puppetdb ] || exec sluicegate record reports --puppetdb
exec sluicegate record reports -- "$REPORTS"

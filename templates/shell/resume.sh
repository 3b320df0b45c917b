exec sluicegate resume

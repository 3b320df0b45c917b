"""What commands answer with `--json`: every shape, and how it is made of what delivery says.

`versions.py`: of versions and their files; `looking.py`: of what stands and happened; `moving.py`: of what moves;
`reality.py`: of what hosts have; `jobs.py`: of what can be run; `common.py`: of all others, and errors.
docs/reference/json.md is written from these classes. A key may be added; none changes its meaning or goes, as scripts
read them. `status` is made in `delivery/answers/status.py`, where its text is kept and read again.
"""

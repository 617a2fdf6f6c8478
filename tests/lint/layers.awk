# Who may include whom.  A row allows a folder's files to include the named folders; "specs/base/path.h" allows one file.
# Everything is written from the root of the tree.
BEGIN {
  allow["specs/base"] = "specs/base"
  allow["specs"] = "specs specs/base"
  allow["runtime/steps"] = "runtime/steps specs/base/path.h specs/base/fd.h specs/base/sys.h"
  allow["runtime/init"] = "runtime/init runtime/steps specs/base/path.h specs/base/fd.h specs/base/sys.h"
  allow["runtime/plan"] = "runtime/plan runtime/steps specs specs/base"
  allow["runtime/host"] = "runtime/host runtime/plan runtime/steps specs specs/base"
  allow["runtime/container"] = "runtime/container runtime/host runtime/plan specs specs/base"
  allow["runtime/cli"] = "runtime/cli runtime/container runtime/plan specs specs/base"
  allow["runtime"] = "runtime/cli specs/base"
  allow["netsetup"] = "netsetup specs specs/base"
}
function folder_of(path) { return path ~ /\// ? substr(path, 1, length(path) - length(base_of(path)) - 1) : "" }
function base_of(path) { sub(/.*\//, "", path); return path }
/^[ \t]*#[ \t]*include[ \t]*"/ {
  split($0, quoted, "\"")
  from = folder_of(FILENAME)
  list = " " allow[from] " "
  if (index(list, " " quoted[2] " ") || index(list, " " folder_of(quoted[2]) " ")) next
  printf "%s:%d: %s may not include %s\n", FILENAME, FNR, from, quoted[2]
  bad = 1
}
END { exit bad }

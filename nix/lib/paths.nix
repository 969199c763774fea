# Paths of secrets: outside of the store, or below a directory that only the service manager knows.
let
  store = builtins.storeDir;
  startsWith = start: text: builtins.substring 0 (builtins.stringLength start) text == start;
  after = start: text: builtins.substring (builtins.stringLength start) (-1) text;
  # What agenix writes for a user's secrets.
  runtime = "\${XDG_RUNTIME_DIR}";
  # The first that a path starts with, and what comes after it; null where it starts with none.
  split = starts: path: let
    found = builtins.filter (start: startsWith "${start}/" path) starts;
  in
    if found == []
    then null
    else {
      start = builtins.head found;
      rest = after (builtins.head found) path;
    };
in {
  # Whether a string leads into the store.
  inStore = path: startsWith store path;

  # Whether it stands below the runtime directory or the home of the one who runs the service. A tilde would not be
  # expanded by anybody.
  isOfManager = path: builtins.isString path && split ["%h" "%t" runtime] path != null;

  # As systemd reads it. A percent sign of a plain path is no specifier.
  forSystemd = path: let
    parts = split ["%h" "%t" runtime] path;
  in
    if parts == null
    then builtins.replaceStrings ["%"] ["%%"] path
    else
      (
        if parts.start == runtime
        then "%t"
        else parts.start
      )
      + parts.rest;

  # As a shell reads it between double quotes.
  forShell = path: let
    parts = split ["%h" "%t"] path;
  in
    if parts == null
    then path
    else
      (
        if parts.start == "%h"
        then "\${HOME}"
        else runtime
      )
      + parts.rest;

  # With the home in place of `%h`; null where it stands below a runtime directory, which not every system has.
  inHome = home: path: let
    parts = split ["%h" "%t" runtime] path;
  in
    if parts == null
    then path
    else if parts.start == "%h"
    then home + parts.rest
    else null;
}

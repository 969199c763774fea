# Paths of secret files: outside of the Nix store, or below a directory that only the service manager knows.
{lib}: let
  # agenix writes the secrets of a user below this variable.
  runtimeDirectory = "\${XDG_RUNTIME_DIR}";

  # Splits a path after the first of `prefixes` that it starts with; null if it starts with none of them.
  split = prefixes: path: let
    prefix = lib.findFirst (prefix: lib.hasPrefix "${prefix}/" path) null prefixes;
  in
    if prefix == null
    then null
    else {
      inherit prefix;
      rest = lib.removePrefix prefix path;
    };
  prefixes = ["%h" "%t" runtimeDirectory];
in {
  # Whether a string is a path in the Nix store.
  isInStore = lib.hasPrefix builtins.storeDir;

  # Whether a path starts with the runtime directory or the home of the service's user. `~` is not accepted because
  # systemd does not expand it.
  isManagerPath = path: lib.isString path && split prefixes path != null;

  # The path for a unit file. In an absolute path a percent sign is not a specifier.
  forSystemd = path: let
    parts = split prefixes path;
  in
    if parts == null
    then lib.replaceStrings ["%"] ["%%"] path
    else if parts.prefix == runtimeDirectory
    then "%t${parts.rest}"
    else "${parts.prefix}${parts.rest}";

  # The path for a shell, between double quotes.
  forShell = path: let
    parts = split ["%h" "%t"] path;
  in
    if parts == null
    then path
    else if parts.prefix == "%h"
    then "\${HOME}${parts.rest}"
    else "${runtimeDirectory}${parts.rest}";

  # The path with `%h` replaced by `home`; null below the runtime directory, which not every system has.
  expandHome = home: path: let
    parts = split prefixes path;
  in
    if parts == null
    then path
    else if parts.prefix == "%h"
    then "${home}${parts.rest}"
    else null;
}

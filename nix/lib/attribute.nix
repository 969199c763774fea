# Places in a configuration, as a user writes them in Nix.
let
  step = name:
    if builtins.isInt name
    then "[${toString name}]"
    else if builtins.match "[A-Za-z_][A-Za-z0-9_'-]*" name != null
    then ".${name}"
    else ".${builtins.toJSON name}";
in {
  # show ["a" "b/c" 0] == "services.moonrelay.settings.a.\"b/c\"[0]"
  show = path: "services.moonrelay.settings" + builtins.concatStringsSep "" (map step path);
}

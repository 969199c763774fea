# The name of a setting as a user writes it: `optionName ["a" "b/c" 0]` is `services.moonrelay.settings.a."b/c"[0]`.
{lib}: path: let
  segment = name:
    if lib.isInt name
    then "[${toString name}]"
    else ".${lib.strings.escapeNixIdentifier name}";
in
  "services.moonrelay.settings" + lib.concatMapStrings segment path

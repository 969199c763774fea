# Texts of systemd units.
let
  value = raw:
    if builtins.isBool raw
    then
      (
        if raw
        then "true"
        else "false"
      )
    else toString raw;

  line = key: raw:
    if raw == null
    then ""
    else if builtins.isList raw
    then builtins.concatStringsSep "" (map (one: "${key}=${value one}\n") raw)
    else "${key}=${value raw}\n";

  section = name: keys: "[${name}]\n" + builtins.concatStringsSep "" (builtins.attrValues (builtins.mapAttrs line keys));
in {
  # One argument of `Exec…=`: quoted, and nothing in it is a specifier or a variable.
  argument = text: builtins.replaceStrings ["%" "$"] ["%%" "$$"] (builtins.toJSON text);

  # A unit's file, as home-manager writes it from the same attributes; a test compares the two.
  unitText = unit: let
    isEmpty = keys: builtins.all (raw: raw == null || raw == []) (builtins.attrValues keys);
    names = builtins.filter (name: !isEmpty unit.${name}) (builtins.attrNames unit);
  in
    builtins.concatStringsSep "\n" (map (name: section name unit.${name}) names);
}

# The functions of nixpkgs' lib that nix/lib and nix/modules/unit.nix use, for machines without nixpkgs. The flake's checks
# run the same tests with the real lib.
let
  lib = {
    inherit (builtins) any attrNames concatLists concatMap concatStringsSep elem elemAt filter head isAttrs isInt isList isString length replaceStrings;

    concatMapStrings = f: list: lib.concatStringsSep "" (map f list);
    filterAttrs = predicate: attrs:
      removeAttrs attrs (lib.filter (name: !predicate name attrs.${name}) (lib.attrNames attrs));
    findFirst = predicate: default: list: let
      found = lib.filter predicate list;
    in
      if found == []
      then default
      else lib.head found;
    getExe = package: package.exe;
    hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
    id = value: value;
    imap0 = f: list: builtins.genList (index: f index (lib.elemAt list index)) (lib.length list);
    last = list: lib.elemAt list (lib.length list - 1);
    mapAttrsToList = f: attrs: map (name: f name attrs.${name}) (lib.attrNames attrs);
    nameValuePair = name: value: {inherit name value;};
    optional = condition: value: lib.optionals condition [value];
    optionalAttrs = condition: attrs:
      if condition
      then attrs
      else {};
    optionals = condition: list:
      if condition
      then list
      else [];
    removePrefix = prefix: text:
      if lib.hasPrefix prefix text
      then builtins.substring (builtins.stringLength prefix) (-1) text
      else text;
    strings.escapeNixIdentifier = name:
      if builtins.match "[A-Za-z_][A-Za-z0-9_'-]*" name != null
      then name
      else builtins.toJSON name;
    toLower = builtins.replaceStrings upper lower;
    toUpper = builtins.replaceStrings lower upper;
  };
  characters = text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);
  lower = characters "abcdefghijklmnopqrstuvwxyz";
  upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
in
  lib

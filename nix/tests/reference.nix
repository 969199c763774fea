# The options' reference without nixpkgs: `nix-instantiate --eval --strict nix/tests/reference.nix`. A few words of its
# `lib` are enough to read what the options say; types and defaults are compared by the flake's own check.
let
  option = attrs: attrs // {_type = "option";};
  lib = {
    inherit (builtins) attrNames;
    genAttrs = names: f:
      builtins.listToAttrs (map (name: {
          inherit name;
          value = f name;
        })
        names);
    literalExpression = text: {inherit text;};
    mergeEqualOption = null;
    mkDefault = value: value;
    mkEnableOption = what:
      option {
        description = "Whether to enable ${what}.";
        example = true;
      };
    mkIf = _: value: value;
    mkOption = option;
    mkOptionType = type: type;
    mkPackageOption = _: name: {example, ...}:
      option {
        description = "The ${name} package to use.";
        inherit example;
      };
    modules.importApply = import;
    singleton = value: [value];
    types = {
      attrsOf = type: type;
      bool = {};
      coercedTo = _: _: type: type;
      either = _: _: {};
      enum = _: {};
      externalPath = {};
      listOf = type: type;
      nullOr = type: type;
      path = {};
      port = {};
      str = {};
      submodule = module: {inherit (module) options;};
    };
  };
  given = {
    inherit lib;
    config = {};
    options = {};
    pkgs = {
      formats.json = _: {type = {};};
      stdenv.hostPlatform.system = "none";
    };
  };
  modules = [
    (import ../modules/options.nix {self.packages.none = {};})
    (import ../modules/home-manager.nix {self = {};})
    (import ../modules/clients.nix)
    (import ../modules/nixos.nix {self = {};})
  ];

  # { name, description, example } of each.
  walk = path: attrs:
    if attrs._type or null == "option"
    then
      [(attrs // {name = builtins.concatStringsSep "." path;})]
      ++ (
        if attrs ? type.options
        then walk path attrs.type.options
        else []
      )
    else builtins.concatMap (name: walk (path ++ [name]) attrs.${name}) (builtins.attrNames attrs);
  found = builtins.concatMap (module: walk [] (module given).options) modules;

  page = builtins.readFile ../../docs/reference/nix-options.md;
  has = text: builtins.replaceStrings [text] [""] page != page;
  plain = builtins.replaceStrings ["{option}`" "{file}`" "{command}`"] ["`" "`" "`"];
  trimmed = text: let
    match = builtins.match "(.*[^\n])\n*" text;
  in
    builtins.head match;

  judge = one:
    if one.description or "" == "" || !(one ? example)
    then throw "${one.name} lacks a description or an example"
    else if has "## `${one.name}`\n\n${trimmed (plain one.description)}\n"
    then one.name
    else throw "docs/reference/nix-options.md does not have ${one.name} as it is described now";

  headings = builtins.length (builtins.filter builtins.isList (builtins.split "\n## `" page));
  names = map judge found;
in
  if headings == builtins.length names
  then names
  else throw "docs/reference/nix-options.md has ${toString headings} options, and there are ${toString (builtins.length names)}"

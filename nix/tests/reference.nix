# Compares the option reference with the option descriptions, without nixpkgs:
# `nix-instantiate --eval --strict nix/tests/reference.nix`. The stub `lib` below only supports descriptions and examples;
# the flake's check also compares types and defaults.
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
  moduleArgs = {
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

  # Every option as { name, description, example }.
  collect = path: attrs:
    if attrs._type or null == "option"
    then
      [(attrs // {name = builtins.concatStringsSep "." path;})]
      ++ (
        if attrs ? type.options
        then collect path attrs.type.options
        else []
      )
    else builtins.concatMap (name: collect (path ++ [name]) attrs.${name}) (builtins.attrNames attrs);
  options = builtins.concatMap (module: collect [] (module moduleArgs).options) modules;

  page = builtins.readFile ../../docs/reference/nix-options.md;
  contains = text: builtins.replaceStrings [text] [""] page != page;
  plain = builtins.replaceStrings ["{option}`" "{file}`" "{command}`"] ["`" "`" "`"];
  trimmed = text: let
    match = builtins.match "(.*[^\n])\n*" text;
  in
    builtins.head match;

  checkOption = option:
    if option.description or "" == "" || !(option ? example)
    then throw "${option.name} lacks a description or an example"
    else if contains "## `${option.name}`\n\n${trimmed (plain option.description)}\n"
    then option.name
    else throw "docs/reference/nix-options.md is out of date: the description of ${option.name} differs";

  headings = builtins.length (builtins.filter builtins.isList (builtins.split "\n## `" page));
  names = map checkOption options;
in
  if headings == builtins.length names
  then names
  else throw "docs/reference/nix-options.md has ${toString headings} options, but the modules have ${toString (builtins.length names)}"

# Compares evaluated configurations with expected files. Each case is a directory: `case.nix` is
# { home | darwin | nixos = module }, and the files beside it are the expected results. `nix/tests/eval/bless` writes them.
{
  home-manager,
  lib,
  nixpkgs,
  pkgs,
  self,
}: let
  # The expected files are for one system, on every machine that compares them.
  linux = nixpkgs.legacyPackages.x86_64-linux;
  darwin = nixpkgs.legacyPackages.aarch64-darwin;
  homeWith = pkgs: import ../home.nix {inherit home-manager lib pkgs self;};

  # The text of a unit file as home-manager generates it (modules/systemd.nix).
  unitText = unit:
    lib.generators.toINI {
      listsAsDuplicateKeys = true;
      mkKeyValue = key: value: "${key}=${
        if lib.isBool value
        then lib.boolToString value
        else toString value
      }";
    } (lib.filterAttrs (_: section: section != {}) (lib.mapAttrs (_: lib.filterAttrs (_: value: value != null && value != [])) unit));

  unit = config: kind: set: let
    text = unitText set;
    written = linux.writeTextFile {
      name = "moonrelay.${kind}";
      inherit text;
      destination = "/moonrelay.${kind}";
    };
    linked = config.xdg.configFile."systemd/user/moonrelay.${kind}".source;
  in
    if "${written}/moonrelay.${kind}" == linked
    then text
    else throw "the text of moonrelay.${kind} differs from what home-manager writes";

  linksOf = config: builtins.toJSON (lib.filter (lib.hasInfix "moonrelay/") (lib.attrNames config.home.file));

  ofHome = module: let
    inherit ((homeWith linux).configuration module) config;
    inherit (config.systemd) user;
    programs = {
      aider = config.programs.aider-chat;
      inherit (config.programs) claude-code codex crush opencode;
    };
    clients =
      lib.mapAttrs (_: program: program.settings) (lib.filterAttrs (_: program: program.enable) programs)
      // lib.optionalAttrs config.programs.pi-coding-agent.enable {pi = config.programs.pi-coding-agent.models;}
      // lib.optionalAttrs config.services.moonrelay.clients.kimi-code.enable {
        kimi-code = lib.filterAttrs (name: _: lib.hasPrefix "KIMI_" name) config.home.sessionVariables;
      };
  in
    {
      links = linksOf config;
      service = unit config "service" user.services.moonrelay;
      settings = builtins.toJSON config.services.moonrelay.settings;
    }
    // lib.optionalAttrs (user.sockets ? moonrelay) {socket = unit config "socket" user.sockets.moonrelay;}
    // lib.optionalAttrs (clients != {}) {clients = builtins.toJSON clients;};

  ofDarwin = module: let
    inherit ((homeWith darwin).configuration module) config;
  in {
    agent = builtins.toJSON (lib.filterAttrs (_: value: value != null && value != {} && value != []) config.launchd.agents.moonrelay.config);
    links = linksOf config;
    settings = builtins.toJSON config.services.moonrelay.settings;
  };

  ofNixos = module: let
    inherit
      (lib.nixosSystem {
        modules = [
          module
          self.nixosModules.default
          {
            nixpkgs.hostPlatform = "x86_64-linux";
            system.stateVersion = "26.05";
          }
        ];
      })
      config
      ;
    inherit (config.systemd) units;
  in
    {
      service = units."moonrelay.service".text;
      settings = builtins.toJSON config.services.moonrelay.settings;
    }
    // lib.optionalAttrs (units ? "moonrelay.socket") {socket = units."moonrelay.socket".text;};

  names = lib.attrNames (lib.filterAttrs (_: type: type == "directory") (builtins.readDir ./.));

  evaluate = name: let
    case = import (./. + "/${name}/case.nix");
  in
    if case ? home
    then ofHome case.home
    else if case ? darwin
    then ofDarwin case.darwin
    else ofNixos case.nixos;

  texts = lib.genAttrs names evaluate;

  # Replaces store paths, which change with the sources, by their names without a version.
  replaceStorePaths = text: let
    parts = builtins.split "${builtins.storeDir}/[a-z0-9]{32}-([A-Za-z0-9._+-]*)" (builtins.unsafeDiscardStringContext text);
  in
    lib.concatMapStrings (part:
      if lib.isList part
      then "@${(builtins.parseDrvName (lib.head part)).name}@"
      else part)
    parts;

  # NixOS adds an environment with its own versions to every service.
  withoutEnvironment = text: lib.concatStringsSep "\n" (lib.filter (line: !(lib.hasPrefix "Environment=" line)) (lib.splitString "\n" text));

  normalize = key: text:
    if key == "service"
    then withoutEnvironment (replaceStorePaths text)
    else replaceStorePaths text;

  fileName = key:
    if lib.elem key ["service" "socket"]
    then "moonrelay.${key}"
    else "${key}.json";

  isEqual = key: expected: actual:
    if lib.hasSuffix ".json" (fileName key)
    then builtins.fromJSON expected == builtins.fromJSON actual
    else expected == actual;

  compare = name: let
    actual = lib.mapAttrs normalize texts.${name};
    checkFile = key: let
      path = ./. + "/${name}/${fileName key}";
    in
      if !builtins.pathExists path
      then throw "nix/tests/eval/${name}/${fileName key} is missing. nix/tests/eval/bless writes it."
      else if isEqual key (builtins.readFile path) actual.${key}
      then key
      else throw "nix/tests/eval/${name}/${fileName key} differs from the evaluation:\n${actual.${key}}";
    checked = map checkFile (lib.attrNames actual);
    present = lib.remove "case.nix" (lib.attrNames (builtins.readDir (./. + "/${name}")));
    stale = lib.subtractLists (map fileName checked) present;
  in
    if stale == []
    then checked
    else throw "nix/tests/eval/${name}: ${toString stale} is no longer generated. Remove it.";
in {
  inherit texts;

  # The contents of the expected files.
  files = lib.genAttrs names (name: lib.mapAttrs' (key: text: lib.nameValuePair (fileName key) (normalize key text)) texts.${name});

  checks = lib.genAttrs names (name: builtins.deepSeq (compare name) (pkgs.runCommandLocal "eval-${name}" {} "touch $out"));
}

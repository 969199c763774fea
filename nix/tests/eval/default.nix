# Evaluated configurations against expected files, one directory a case: `case.nix` is { home | darwin | nixos = module },
# the files beside it are what must come out. `nix/tests/eval/bless` writes them.
{
  home-manager,
  lib,
  nixpkgs,
  pkgs,
  self,
}: let
  moonrelay = import ../../lib;
  # Goldens are those of one system, whatever machine compares them.
  linux = nixpkgs.legacyPackages.x86_64-linux;
  darwin = nixpkgs.legacyPackages.aarch64-darwin;
  homeWith = pkgs: import ../home.nix {inherit home-manager lib pkgs self;};

  unit = config: kind: set: let
    text = moonrelay.systemd.unitText set;
    written = linux.writeTextFile {
      name = "moonrelay.${kind}";
      inherit text;
      destination = "/moonrelay.${kind}";
    };
    linked = config.xdg.configFile."systemd/user/moonrelay.${kind}".source;
  in
    if "${written}/moonrelay.${kind}" == linked
    then text
    else throw "the text of moonrelay.${kind} is not what home-manager writes";

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

  # Store paths change with every change of the sources; their names, without a version, say enough.
  scrub = text: let
    parts = builtins.split "${builtins.storeDir}/[a-z0-9]{32}-([A-Za-z0-9._+-]*)" (builtins.unsafeDiscardStringContext text);
  in
    lib.concatMapStrings (part:
      if lib.isList part
      then "@${(builtins.parseDrvName (lib.head part)).name}@"
      else part)
    parts;

  # NixOS adds its own environment to every service; the versions in it are none of ours.
  withoutEnvironment = text: lib.concatStringsSep "\n" (lib.filter (line: !(lib.hasPrefix "Environment=" line)) (lib.splitString "\n" text));

  golden = key: text:
    if key == "service"
    then withoutEnvironment (scrub text)
    else scrub text;

  file = key:
    if lib.elem key ["service" "socket"]
    then "moonrelay.${key}"
    else "${key}.json";

  same = key: expected: actual:
    if lib.hasSuffix ".json" (file key)
    then builtins.fromJSON expected == builtins.fromJSON actual
    else expected == actual;

  compare = name: let
    actual = lib.mapAttrs golden texts.${name};
    judge = key: let
      path = ./. + "/${name}/${file key}";
    in
      if !builtins.pathExists path
      then throw "nix/tests/eval/${name}/${file key} is missing; nix/tests/eval/bless writes it"
      else if same key (builtins.readFile path) actual.${key}
      then key
      else throw "nix/tests/eval/${name}/${file key} is not what comes out now:\n${actual.${key}}";
    judged = map judge (lib.attrNames actual);
    kept = lib.remove "case.nix" (lib.attrNames (builtins.readDir (./. + "/${name}")));
    stale = lib.subtractLists (map file judged) kept;
  in
    if stale == []
    then judged
    else throw "nix/tests/eval/${name}: nothing gives ${toString stale} any more";
in {
  inherit texts;

  # As the expected files have them.
  files = lib.genAttrs names (name: lib.mapAttrs' (key: text: lib.nameValuePair (file key) (golden key text)) texts.${name});

  checks = lib.genAttrs names (name: builtins.deepSeq (compare name) (pkgs.runCommandLocal "eval-${name}" {} "touch $out"));
}

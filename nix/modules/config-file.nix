# The configuration file. The derivation that makes it checks it, so that there is no unchecked one.
{
  cfg,
  lib,
  pkgs,
}: let
  canRun = pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform;
in
  pkgs.runCommand "moonrelay-config.json" {
    json = builtins.toJSON cfg.settings;
    nativeBuildInputs = [pkgs.buildPackages.jq];
    passAsFile = ["json"];
    preferLocalBuild = true;
    passthru.text = builtins.toJSON cfg.settings;
  } ''
    jq . "$jsonPath" >"$out"
    ${lib.optionalString (cfg.checkConfig && canRun) ''
      # A home of its own: what the building user configured must not count.
      HOME=$PWD XDG_CONFIG_HOME=$PWD ${lib.getExe cfg.package} config validate "$out"
    ''}
  ''

# `services.moonrelay` for home-manager: a systemd user service on Linux, a launchd agent on macOS.
{self}: {
  config,
  lib,
  pkgs,
  ...
}: let
  cfg = config.services.moonrelay;
  inherit (pkgs.stdenv.hostPlatform) isLinux;
  source = import ./config-file.nix {inherit cfg lib pkgs;};
  workspace = "moonrelay/workspace";
  documents = ["AGENTS.md" "SOUL.md" "TOOLS.md"];
in {
  imports = [
    (lib.modules.importApply ./options.nix {inherit self;})
    ./clients.nix
    ./launchd.nix
    ./systemd-user.nix
  ];

  options.services.moonrelay.documents = lib.mkOption {
    type = lib.types.nullOr lib.types.path;
    default = null;
    example = lib.literalExpression "./documents";
    description = ''
      A directory with {file}`AGENTS.md`, {file}`SOUL.md` and {file}`TOOLS.md`. The module links it to
      {file}`$XDG_DATA_HOME/moonrelay/workspace` and sets `agents.defaults.workspace` to that path.
    '';
  };

  config = lib.mkIf cfg.enable {
    assertions =
      import ./assertions.nix {
        inherit cfg lib;
        hidden = [config.home.homeDirectory "/home" "/root" "/run/user"];
        sandboxed = isLinux;
      }
      ++ map (name: {
        # The contents of a derivation are not known before it is built.
        assertion = !(builtins.isPath cfg.documents) || builtins.pathExists (cfg.documents + "/${name}");
        message = "services.moonrelay.documents: ${toString cfg.documents} has no ${name}. Create it; it may be empty.";
      })
      documents;

    home.packages = [cfg.package];

    services.moonrelay.settings = lib.mkMerge [
      # A switch reloads the service, so the gateway does not need to watch the file.
      (lib.mkIf isLinux {gateway.reload = lib.mkDefault false;})
      (lib.mkIf (cfg.documents != null) {
        agents.defaults.workspace = lib.mkDefault "${config.xdg.dataHome}/${workspace}";
      })
    ];

    xdg.configFile."moonrelay/config.json5".source = source;
    xdg.dataFile = lib.mkIf (cfg.documents != null) {${workspace}.source = cfg.documents;};
  };
}

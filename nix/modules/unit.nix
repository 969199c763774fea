# The settings that the units of home-manager and NixOS share. `moonrelay service install` writes the same ones
# (src/service/unit.rs); tests/service/unit_policy.rs compares them.
{
  cfg,
  # The path of the configuration as the service sees it. It must be the same in every generation.
  configFile,
  lib,
}: let
  moonrelay = import ../lib {inherit lib;};
  exe = lib.getExe cfg.package;
  inherit (moonrelay.paths) forSystemd;
in {
  description = "Moonrelay, a personal LLM gateway";

  # The services that decrypt secrets, if the system has them.
  after = ["agenix.service" "sops-install-secrets.service" "sops-nix.service"] ++ lib.optional cfg.socketActivation "moonrelay.socket";

  # With the growing delays below, ten starts take about four minutes. Then systemd gives up and reports a failed unit.
  startLimit = {
    burst = 10;
    seconds = 600;
  };

  service =
    {
      Type = "notify-reload";
      ExecStart = lib.concatStringsSep " " ([exe "gateway run --config" configFile] ++ map moonrelay.systemd.escapeArgument cfg.extraArgs);
      # An invalid file makes the reload command fail, so that the user who ran it sees the errors.
      ExecReload = "${exe} config validate ${configFile}";
      Restart = "on-failure";
      RestartSec = 1;
      RestartSteps = 6;
      RestartMaxDelaySec = 60;
      # The configuration is invalid: another start would fail too.
      RestartPreventExitStatus = 78;
      # The process has keys in memory, which a core dump would contain.
      LimitCORE = 0;
      # One descriptor for each client and for each provider call. The usual limit of a session is 1024.
      LimitNOFILE = 16384;
      StateDirectory = "moonrelay";
      StateDirectoryMode = "0700";
      # The gateway finishes active responses within 90 s; sd-switch stops waiting after 120 s.
      TimeoutStopSec = 100;
      WatchdogSec = 30;
    }
    // lib.optionalAttrs (cfg.credentials != {}) {
      LoadCredential = lib.mapAttrsToList (name: path: "${name}:${forSystemd path}") cfg.credentials;
      # The value if the file is missing. Without it the service would not start (243/CREDENTIALS).
      SetCredential = map (name: "${name}:\\n") (lib.attrNames cfg.credentials);
      RefreshOnReload = "credentials";
    }
    // lib.optionalAttrs (cfg.environmentFile != []) {
      EnvironmentFile = map (path: "-${forSystemd path}") cfg.environmentFile;
    };

  listenStream = moonrelay.address.listenStream cfg.settings.gateway;
}

# What the units of home-manager and NixOS have in common.
{
  cfg,
  # The configuration as the service sees it: a path that stays the same from generation to generation.
  configFile,
  lib,
}: let
  moonrelay = import ../lib;
  exe = lib.getExe cfg.package;
  inherit (moonrelay.paths) forSystemd;
in {
  description = "Moonrelay, a personal LLM gateway";

  # What brings the secrets, where there is one of them.
  after = ["agenix.service" "sops-install-secrets.service" "sops-nix.service"] ++ lib.optional cfg.socketActivation "moonrelay.socket";

  # Ten starts in ten minutes, with the growing waits below: five minutes of trying, then an answer in the status.
  startLimit = {
    burst = 10;
    seconds = 600;
  };

  service =
    {
      Type = "notify-reload";
      ExecStart = lib.concatStringsSep " " ([exe "gateway run --config" configFile] ++ map moonrelay.systemd.argument cfg.extraArgs);
      # A file with errors makes the reload fail here, where who asked for it sees it.
      ExecReload = "${exe} config validate ${configFile}";
      Restart = "on-failure";
      RestartSec = 1;
      RestartSteps = 6;
      RestartMaxDelaySec = 60;
      # A bad configuration: starting again would not help.
      RestartPreventExitStatus = 78;
      # Keys are in its memory, and a core dump would hold them.
      LimitCORE = 0;
      # A descriptor for each client and for each call to a provider; a session's usual limit is 1024.
      LimitNOFILE = 16384;
      StateDirectory = "moonrelay";
      StateDirectoryMode = "0700";
      # Answers under way end within 90 s; sd-switch gives up at 120.
      TimeoutStopSec = 100;
      WatchdogSec = 30;
    }
    // lib.optionalAttrs (cfg.credentials != {}) {
      LoadCredential = lib.mapAttrsToList (name: path: "${name}:${forSystemd path}") cfg.credentials;
      # Used where the file is missing: a key that is missing, and not a service that does not start (243/CREDENTIALS).
      SetCredential = map (name: "${name}:\\n") (lib.attrNames cfg.credentials);
      RefreshOnReload = "credentials";
    }
    // lib.optionalAttrs (cfg.environmentFile != []) {
      EnvironmentFile = map (path: "-${forSystemd path}") cfg.environmentFile;
    };

  listenStream = moonrelay.address.listenStream cfg.settings.gateway;
}

# Every option.
{
  home = {config, ...}: {
    xdg.configHome = "${config.home.homeDirectory}/etc";
    services.moonrelay = {
      enable = true;
      credentials.KIMI_API_KEY = "/run/secrets/kimi";
      documents = ./../../../../examples/kimi-provider/documents;
      environmentFile = "%h/.secrets/moonrelay.env";
      extraArgs = ["--port" "1970"];
      logLevel = "debug";
      socketActivation = true;
      settings = {
        agents.defaults.model = "kimi/kimi-for-coding";
        failover.timeouts.totalSeconds = null;
        gateway.port = 1970;
      };
    };
  };
}

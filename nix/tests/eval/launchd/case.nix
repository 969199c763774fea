# A home on macOS.
{
  darwin.services.moonrelay = {
    enable = true;
    credentials.KIMI_API_KEY = "%h/.secrets/kimi";
    environmentFile = "/Users/alice/.secrets/moonrelay.env";
    settings.agents.defaults.model = "kimi/kimi-for-coding";
  };
}

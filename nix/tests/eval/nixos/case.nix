# A system service.
{
  nixos.services.moonrelay = {
    enable = true;
    credentials.KIMI_API_KEY = "/run/secrets/kimi";
    settings.agents.defaults.model = "kimi/kimi-for-coding";
  };
}

# The home whose unit `tests/systemd/nix` runs. Only the providers' addresses differ from a real one.
{
  home.services.moonrelay = {
    enable = true;
    credentials.MOONSHOT_API_KEY = "%h/keys/moonshot";
    environmentFile = "%h/keys/openrouter.env";
    settings = {
      agents.defaults.model = {
        primary = "moonshot/kimi-k3";
        fallbacks = ["openrouter/auto"];
      };
      failover = {
        attemptsPerTarget = 1;
        cooldown.stepsSeconds = [1];
      };
      models.providers = {
        moonshot.baseUrl = "http://127.0.0.1:8080/moonshot/v1";
        openrouter.baseUrl = "http://127.0.0.1:8080/openrouter/api/v1";
      };
    };
  };
}

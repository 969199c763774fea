# Every valid form of a secret's path.
{
  home.services.moonrelay = {
    enable = true;
    credentials = {
      FROM_AGENIX = "\${XDG_RUNTIME_DIR}/agenix/kimi";
      FROM_HOME = "%h/.secrets/kimi";
      FROM_RUNTIME = "%t/secrets/kimi";
      KIMI_API_KEY = "/run/secrets/100%";
    };
    environmentFile = ["/run/secrets/one.env" "%t/two.env"];
    settings.models.providers.moonshot.apiKey = {
      source = "credential";
      id = "FROM_HOME";
    };
  };
}

# Two providers. The second one is not built in and has two keys.
{
  home.services.moonrelay = {
    enable = true;
    credentials = {
      KIMI_API_KEY = "/run/secrets/kimi";
      LAB_KEY_1 = "/run/secrets/lab-1";
      LAB_KEY_2 = "/run/secrets/lab-2";
    };
    settings = {
      agents.defaults.model = {
        primary = "kimi/kimi-for-coding";
        fallbacks = ["lab/large"];
      };
      models.providers.lab = {
        apiKey = ["\${LAB_KEY_1}" "\${LAB_KEY_2}"];
        baseUrl = "https://lab.example.com/v1";
        models = [{id = "large";}];
      };
    };
  };
}

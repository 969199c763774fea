# The Kimi provider block of nix-openclaw, unchanged.
{
  home.services.moonrelay = {
    enable = true;
    settings = {
      models.providers.kimi = {
        baseUrl = "https://api.kimi.com/coding/v1";
        api = "openai-completions";
        auth = "api-key";
        apiKey = "\${KIMI_API_KEY}";
        models = [
          {
            id = "kimi-k2p5";
            name = "Kimi K2.5";
            contextWindow = 262144; # 262K tokens
            maxTokens = 8192;
            input = ["text" "image"]; # Multimodal
            reasoning = true;
          }
        ];
      };

      agents.defaults.model = {
        primary = "kimi/kimi-k2p5";
        fallbacks = ["openrouter/auto"];
      };
    };
  };
}

# Every client, with a gateway that needs no token.
{
  home = {
    programs = {
      aider-chat = {
        enable = true;
        package = null;
      };
      claude-code = {
        enable = true;
        package = null;
      };
      codex = {
        enable = true;
        package = null;
      };
      crush = {
        enable = true;
        package = null;
      };
      opencode = {
        enable = true;
        package = null;
        # A setting of the user overrides the module's default.
        settings.small_model = "moonrelay/openrouter/auto";
      };
      pi-coding-agent = {
        enable = true;
        package = null;
      };
    };
    services.moonrelay = {
      enable = true;
      clients = {
        aider.enable = true;
        claude-code.enable = true;
        codex.enable = true;
        crush.enable = true;
        kimi-code.enable = true;
        opencode.enable = true;
        pi.enable = true;
      };
      settings = {
        agents.defaults.model = {
          primary = "kimi/kimi-k2p5";
          fallbacks = ["openrouter/auto"];
        };
        models.providers.kimi.models = [
          {
            id = "kimi-k2p5";
            contextWindow = 262144;
            maxTokens = 8192;
          }
        ];
      };
    };
  };
}

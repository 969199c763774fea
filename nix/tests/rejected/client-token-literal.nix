let
  client = env: {
    programs.claude-code = {
      enable = true;
      package = null;
      settings = {inherit env;};
    };
    services.moonrelay = {
      clients = {
        claude-code.enable = true;
        tokenFile = "/run/secrets/moonrelay";
      };
      settings = {
        agents.defaults.model = "kimi/kimi-for-coding";
        gateway.auth.token = "\${MOONRELAY_TOKEN}";
      };
    };
  };
in {
  valid = client {};
  invalid = client {ANTHROPIC_AUTH_TOKEN = "hunter2";};
  message = "programs.claude-code.settings.env.ANTHROPIC_AUTH_TOKEN is a token in plain text";
}

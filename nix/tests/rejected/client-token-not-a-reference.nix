# aider does not resolve references, so every value in its settings is literal.
let
  client = settings: {
    programs.aider-chat = {
      enable = true;
      package = null;
      inherit settings;
    };
    services.moonrelay = {
      clients = {
        aider.enable = true;
        tokenFile = "/run/secrets/moonrelay";
      };
      settings.gateway.auth.token = "\${MOONRELAY_TOKEN}";
    };
  };
in {
  valid = client {};
  invalid = client {openai-api-key = "$ecret";};
  message = "programs.aider-chat.settings.openai-api-key is a token in plain text";
}

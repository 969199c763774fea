{secrets, ...}: let
  # The option that each message names.
  violatingOptions = settings: map (text: builtins.head (builtins.match "([^ ]+) .*" text)) (secrets.violations settings);
  provider = rest: {models.providers.kimi = rest;};
in {
  "text beside a reference is rejected" = {
    actual = violatingOptions {
      gateway.auth.token = "\${A}hunter2";
      models.providers.kimi = {
        apiKey = "hunter2\${KIMI_API_KEY}";
        headers.authorization = "Bearer \${KIMI_API_KEY}";
      };
    };
    expected = [
      "services.moonrelay.settings.models.providers.kimi.apiKey"
      "services.moonrelay.settings.gateway.auth.token"
    ];
  };
  "references are accepted" = {
    actual = secrets.violations {
      env.vars.OTHER = "\${KIMI_API_KEY}";
      gateway.auth = {
        token = "\${MOONRELAY_TOKEN}";
        tokens.laptop = {
          source = "credential";
          id = "LAPTOP";
        };
      };
      models.providers.kimi = {
        apiKey = [
          "\${KIMI_API_KEY}"
          {
            source = "file";
            id = "/run/secrets/kimi";
          }
        ];
        headers.Authorization = "Bearer \${KIMI_API_KEY}";
        headers."User-Agent" = "lab/1.0";
      };
    };
    expected = [];
  };
  "plain text is rejected in fields that hold secrets" = {
    actual = violatingOptions {
      env = {
        A = "one";
        vars.B = "two";
      };
      gateway.auth.token = "three";
      gateway.auth.tokens."my laptop" = "four";
      models.providers."kimi-code" = {
        apiKey = ["\${A}" "five"];
        headers."X-Api-Key" = "six";
        headers."X-Password" = "nine";
        models = [
          {id = "plain";}
          {
            id = "with-header";
            headers.Cookie = "seven";
          }
        ];
      };
      plugins.entries.moonshot.config.webSearch.apiKey = "eight";
    };
    expected = map (rest: "services.moonrelay.settings.${rest}") [
      "models.providers.kimi-code.apiKey[1]"
      "models.providers.kimi-code.headers.X-Api-Key"
      "models.providers.kimi-code.headers.X-Password"
      "models.providers.kimi-code.models[1].headers.Cookie"
      "gateway.auth.token"
      ''gateway.auth.tokens."my''
      "plugins.entries.moonshot.config.webSearch.apiKey"
      "env.A"
      "env.vars.B"
    ];
  };
  "an escaped reference is plain text" = {
    actual = violatingOptions (provider {apiKey = "$\${KIMI_API_KEY}";});
    expected = ["services.moonrelay.settings.models.providers.kimi.apiKey"];
  };
  "a key is rejected in any field" = {
    actual = violatingOptions (provider {baseUrl = "https://sk-aaaaaaaaaaaaaaaa@example.com/v1";} // {logging.note = ["risk-averse" "task-force-of-many-words"];});
    expected = ["services.moonrelay.settings.models.providers.kimi.baseUrl"];
  };
  "a URL with a user name or a password is rejected, another at sign is accepted" = {
    actual = violatingOptions {
      models.providers.kimi.baseUrl = "https://me:hunter2@example.com/v1";
      models.providers.lab.baseUrl = "http://[::1]:8080/v1/a:b@c";
      models.providers.token.baseUrl = "https://hunter2@example.com/v1";
      models.routes."coding@home" = "kimi/kimi-for-coding";
    };
    expected = map (id: "services.moonrelay.settings.models.providers.${id}.baseUrl") ["kimi" "token"];
  };
  "a key after a reference is rejected" = {
    actual = violatingOptions (provider {apiKey = "\${A}sk-aaaaaaaaaaaaaaaa";});
    expected = ["services.moonrelay.settings.models.providers.kimi.apiKey"];
  };
  "a secret file in the store is rejected" = {
    actual = violatingOptions (provider {
      apiKey = {
        source = "file";
        id = "${builtins.storeDir}/abc-key";
      };
      headers.Authorization = {
        source = "file";
        id = ./secrets.nix;
      };
    });
    expected = map (rest: "services.moonrelay.settings.models.providers.kimi.${rest}") ["apiKey.id" "headers.Authorization.id"];
  };
  "the message names the option and the fix, without the value" = {
    actual = secrets.violations (provider {apiKey = "hunter2";});
    expected = [
      ''
        services.moonrelay.settings.models.providers.kimi.apiKey contains a secret in plain text, and every user of this machine can read the Nix store. Keep the secret in a file and write a reference to it:
          services.moonrelay.settings.models.providers.kimi.apiKey = "\''${KIMI_API_KEY}";
          services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi_api_key";''
    ];
  };
}

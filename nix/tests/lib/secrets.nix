{secrets, ...}: let
  # The first line of each text: the place and what is wrong with it.
  places = settings: map (text: builtins.head (builtins.match "([^ ]+) .*" text)) (secrets.violations settings);
  provider = rest: {models.providers.kimi = rest;};
in {
  "a secret beside a reference is a secret" = {
    actual = places {
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
  "references are taken" = {
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
  "literals are refused where secrets stand" = {
    actual = places {
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
            id = "strange";
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
  "a dollar sign before it makes a name literal" = {
    actual = places (provider {apiKey = "$\${KIMI_API_KEY}";});
    expected = ["services.moonrelay.settings.models.providers.kimi.apiKey"];
  };
  "a key is seen wherever it is" = {
    actual = places (provider {baseUrl = "https://sk-aaaaaaaaaaaaaaaa@example.com/v1";} // {logging.note = ["risk-averse" "task-force-of-many-words"];});
    expected = ["services.moonrelay.settings.models.providers.kimi.baseUrl"];
  };
  "a name or a password in a URL is a secret, an at sign elsewhere is none" = {
    actual = places {
      models.providers.kimi.baseUrl = "https://me:hunter2@example.com/v1";
      models.providers.lab.baseUrl = "http://[::1]:8080/v1/a:b@c";
      models.providers.token.baseUrl = "https://hunter2@example.com/v1";
      models.routes."coding@home" = "kimi/kimi-for-coding";
    };
    expected = map (id: "services.moonrelay.settings.models.providers.${id}.baseUrl") ["kimi" "token"];
  };
  "a key behind a reference is seen too" = {
    actual = places (provider {apiKey = "\${A}sk-aaaaaaaaaaaaaaaa";});
    expected = ["services.moonrelay.settings.models.providers.kimi.apiKey"];
  };
  "a file in the store is no secret" = {
    actual = places (provider {
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
  "the text names the option and the fix, and no value" = {
    actual = secrets.violations (provider {apiKey = "hunter2";});
    expected = [
      ''
        services.moonrelay.settings.models.providers.kimi.apiKey holds a secret in plain text, and everybody can read the Nix store. Write a reference, and keep the secret in a file:
          services.moonrelay.settings.models.providers.kimi.apiKey = "\''${KIMI_API_KEY}";
          services.moonrelay.credentials.KIMI_API_KEY = "/run/secrets/kimi_api_key";''
    ];
  };
}

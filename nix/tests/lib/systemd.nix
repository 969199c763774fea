{systemd, ...}: {
  "arguments are quoted and escaped" = {
    actual = map systemd.escapeArgument ["--port" "a b" "100%" "$HOME"];
    expected = [''"--port"'' ''"a b"'' ''"100%%"'' ''"$$HOME"''];
  };
}

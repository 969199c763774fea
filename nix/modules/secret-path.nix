# The type of the path of a secret file. It rejects path literals and store paths, because every user can read the store.
{lib}:
lib.types.either lib.types.externalPath (lib.mkOptionType {
  name = "managerPath";
  description = "path below %t, %h or \${XDG_RUNTIME_DIR}";
  descriptionClass = "noun";
  check = (import ../lib {inherit lib;}).paths.isManagerPath;
  merge = lib.mergeEqualOption;
})

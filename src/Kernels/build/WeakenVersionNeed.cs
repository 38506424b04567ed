using System;
using System.IO;
using System.Text;

/// <summary>
/// Marks one symbol-version requirement of a 64-bit little-endian ELF library as weak (vna_flags |= VER_FLG_WEAK), so that the loader
/// accepts a system without that version. libLibTorchSharp.so asks for GLIBCXX_3.4.32 although no relocation uses it; Debian 12 and Ubuntu
/// 22.04 end at 3.4.30. Compiled by MSBuild's task factory and by the tests, hence the plain C#.
/// </summary>
public static class ElfVersionNeed
{
    private const uint SectionVersionNeed = 0x6ffffffe;
    private const ushort FlagWeak = 2;

    /// <summary>
    /// Weakens the requirement in a file: writes a new file and renames it over the old one, which may be a hard link into the package
    /// cache. Does nothing when it is weak already.
    /// </summary>
    /// <returns>Whether the file was changed.</returns>
    public static bool Weaken(string path, string version)
    {
        byte[] image = File.ReadAllBytes(path);
        int offset = FindFlags(image, version);
        if (offset < 0 || (BitConverter.ToUInt16(image, offset) & FlagWeak) != 0) return false;
        image[offset] |= (byte)FlagWeak;
        string temporary = path + "." + Guid.NewGuid().ToString("N") + ".tmp";
        File.WriteAllBytes(temporary, image);
        // Size and time stay those of the original, so that an incremental build does not copy it again.
        File.SetLastWriteTimeUtc(temporary, File.GetLastWriteTimeUtc(path));
        File.Delete(path);
        File.Move(temporary, path);
        return true;
    }

    /// <summary>Whether a requirement is weak or absent.</summary>
    public static bool IsWeak(string path, string version)
    {
        byte[] image = File.ReadAllBytes(path);
        int offset = FindFlags(image, version);
        return offset < 0 || (BitConverter.ToUInt16(image, offset) & FlagWeak) != 0;
    }

    /// <summary>Offset of vna_flags of the requirement, or -1.</summary>
    private static int FindFlags(byte[] image, string version)
    {
        if (
            image.Length < 64
            || image[0] != 0x7f
            || image[1] != 'E'
            || image[2] != 'L'
            || image[3] != 'F'
            || image[4] != 2
            || image[5] != 1
        )
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        long sections = BitConverter.ToInt64(image, 0x28);
        int size = BitConverter.ToUInt16(image, 0x3a), count = BitConverter.ToUInt16(image, 0x3c);
        uint wanted = Hash(version);
        for (int s = 0; s < count; s++)
        {
            int header = checked((int)(sections + (long)s * size));
            if (BitConverter.ToUInt32(image, header + 4) != SectionVersionNeed) continue;
            int need = checked((int)BitConverter.ToInt64(image, header + 0x18));
            int strings = checked((int)(sections + (long)BitConverter.ToUInt32(image, header + 0x28) * size));
            int names = checked((int)BitConverter.ToInt64(image, strings + 0x18));
            while (true)
            {
                // Elf64_Verneed: version, cnt (2 bytes each), file, aux, next (4 bytes each).
                int entries = BitConverter.ToUInt16(image, need + 2);
                int aux = need + BitConverter.ToInt32(image, need + 8);
                for (int i = 0; i < entries; i++)
                {
                    // Elf64_Vernaux: hash (4), flags (2), other (2), name (4), next (4).
                    if (
                        BitConverter.ToUInt32(image, aux) == wanted
                        && Text(image, names + BitConverter.ToInt32(image, aux + 8)) == version
                    )
                        return aux + 4;
                    aux += BitConverter.ToInt32(image, aux + 12);
                }

                int next = BitConverter.ToInt32(image, need + 12);
                if (next == 0) break;
                need += next;
            }
        }

        return -1;
    }

    private static uint Hash(string text)
    {
        uint hash = 0;
        foreach (char c in text)
        {
            hash = (hash << 4) + c;
            uint high = hash & 0xf0000000;
            hash = (hash ^ (high >> 24)) & ~high;
        }

        return hash;
    }

    private static string Text(byte[] image, int start)
    {
        int end = Array.IndexOf(image, (byte)0, start);
        return Encoding.ASCII.GetString(image, start, end - start);
    }
}

#if !ELF_LOGIC_ONLY
/// <summary>The MSBuild task around <see cref="ElfVersionNeed"/>.</summary>
public class WeakenVersionNeed : Microsoft.Build.Utilities.Task
{
    /// <summary>Libraries.</summary>
    [Microsoft.Build.Framework.Required]
    public Microsoft.Build.Framework.ITaskItem[] Libraries { get; set; }

    /// <summary>The version that may be absent.</summary>
    [Microsoft.Build.Framework.Required]
    public string Version { get; set; }

    /// <inheritdoc/>
    public override bool Execute()
    {
        foreach (Microsoft.Build.Framework.ITaskItem library in Libraries)
        {
            try
            {
                if (ElfVersionNeed.Weaken(library.ItemSpec, Version))
                    Log.LogMessage("{0}: requirement {1} made weak", library.ItemSpec, Version);
            }
            catch (Exception error)
            {
                Log.LogError("{0}: requirement {1} cannot be made weak: {2}", library.ItemSpec, Version, error.Message);
            }
        }

        return !Log.HasLoggedErrors;
    }
}
#endif

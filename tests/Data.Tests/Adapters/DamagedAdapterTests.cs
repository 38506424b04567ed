using CsCheck;
using Peft.Orleans.Data.Adapters;
using Peft.Orleans.Data.Tests.Files;
using Peft.Orleans.Tests;

namespace Peft.Orleans.Data.Tests.Adapters;

/// <summary>Whatever an adapter's files hold, they are read or refused by name.</summary>
public sealed class DamagedAdapterTests
{
    [Fact]
    public void PeftsConfiguration()
    {
        using var adapter = new SavedAdapter();
        adapter.With("""{"layers_to_transform": [0, 1], "layers_pattern": "layers", "alpha_pattern": {}, "modules_to_save": null}""");
        Configuration(adapter);
    }

    [Fact]
    public void OurConfiguration()
    {
        using var adapter = new SavedAdapter();
        adapter.With(
            """
            {"peft_type": "LORA_GA", "method": {"name": "lora_ga", "target_modules": ["q_proj", "v_proj"], "lora": {"rank": 2, "alpha": 4, "dropout": 0,
            "rslora": false}, "lora_ga": {"initialization": "stable", "gradient_samples": 64, "gradient_estimate": "exact", "gamma": 16}}}
            """
        );
        Configuration(adapter);
    }

    [Fact]
    public void Weights()
    {
        using var adapter = new SavedAdapter();
        adapter.Method();
        var bytes = File.ReadAllBytes(Path.Combine(adapter.Path, AdapterFolder.WeightsName));
        var header = BitConverter.ToInt32(bytes);
        DamagedReading.Check(
            AdapterFolder.WeightsName,
            Damage
                .OfJson(bytes[8..(8 + header)])
                .Select(json => (byte[])[.. BitConverter.GetBytes((long)json.Length), .. json, .. bytes[(8 + header)..]]),
            folder =>
            {
                File.Copy(adapter.ConfigFile, folder.File(AdapterFolder.ConfigName), overwrite: true);
                AdapterFolder.Read(folder.Path).MethodIn(SavedAdapter.Model);
            },
            // A tensor that is not there is missing from what the configuration says.
            AdapterFolder.ConfigName
        );
    }

    private static void Configuration(SavedAdapter adapter)
    {
        adapter.Method();
        DamagedReading.Json(
            AdapterFolder.ConfigName,
            adapter.Config.ToJsonString(),
            folder =>
            {
                File.Copy(
                    Path.Combine(adapter.Path, AdapterFolder.WeightsName),
                    folder.File(AdapterFolder.WeightsName),
                    overwrite: true
                );
                _ = AdapterFolder.BaseModelOf(folder.Path);
                AdapterFolder.Read(folder.Path).MethodIn(SavedAdapter.Model);
            },
            AdapterFolder.WeightsName
        );
    }
}

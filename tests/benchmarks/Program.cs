// Benchmarks; docs/benchmarks.md has the commands and the figures.
//   dotnet run -c Release --project tests/benchmarks -- steps --model DIR --methods lora,boft,lora_ga,hybrid,urnn,urnn-qv
//                                                   [--dtype bfloat16] [--tokens 512] [--threads 2] [--rounds 15] [--clock processor]
//   ... -- steps --models DIR,DIR --methods lora     families beside each other, a parameter; config.json is enough
//   ... -- profile --model DIR --method lora        where a step's time goes
//   ... -- bare --model DIR --method lora           a silo's step against a bare loop's
//   ... -- protection --model DIR --method lora     what passive seats, their copies and hashes cost
//   ... -- plane                                    the data plane with certificates against the plain one
//   ... -- layer --methods lora,hybrid              one decoder layer with the dimensions of Llama 3 8B
//   ... -- tokenizers --tokenizers DIR,DIR --data gsm8k/train.jsonl
//   ... -- templates --templates FILE,FILE --data gsm8k/train.jsonl
using Peft.Orleans.Benchmarks;

var options = new BenchmarkOptions(args[1..]);
switch (args[0])
{
    case "steps":
        StepSuite.Run(options);
        break;
    case "worker":
        await StepWorker.Run(options);
        break;
    case "profile":
        await StepProfile.Run(options);
        break;
    case "bare":
        await PairedSteps.Run(options);
        break;
    case "protection":
        await ProtectionCost.Run(options);
        break;
    case "plane":
        await SecuredPlane.Run(options);
        break;
    case "layer":
        LargeLayer.Run(options);
        break;
    case "tokenizers":
        TokenizerRate.Run(options);
        break;
    case "templates":
        TemplateRate.Run(options);
        break;
    default:
        Console.Error.WriteLine($"'{args[0]}' is none of steps, profile, bare, protection, plane, layer, tokenizers, templates");
        return 1;
}

return 0;

using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Statements.</summary>
internal sealed partial class Parser
{
    private readonly Stack<string> open = new();

    // Loops around the statement, of the macro or block it stands in.
    private int loops;

    // Tags that end what is being read.
    private string[] ends = [];

    /// <summary>Statements up to one of some tags, which is the current token then; without tags to the end.</summary>
    private Statement[] Body(params string[] until)
    {
        var (outer, body) = (ends, new List<Statement>());
        ends = until;
        while (true)
        {
            var token = Next();
            switch (token.Kind)
            {
                case TokenKind.End:
                    if (until.Length > 0) throw Wrong("Unexpected end of template. " + Looking());
                    ends = outer;
                    return [.. body];
                case TokenKind.Data:
                    body.Add(new Literal(token.Text));
                    break;
                case TokenKind.PrintBegin:
                    body.Add(new Print(Tuple(withConditions: true)) { Line = token.Line });
                    Expect(TokenKind.PrintEnd, "end of print statement");
                    break;
                default:
                    if (Array.Exists(until, Current.IsName))
                    {
                        ends = outer;
                        return [.. body];
                    }

                    body.AddRange(Nested(Statement));
                    Expect(TokenKind.BlockEnd, "end of statement block");
                    break;
            }
        }
    }

    private Statement[] Statement()
    {
        var token = Expect(TokenKind.Name, "tag name");
        open.Push(token.Text);
        Statement[] made = token.Text switch
        {
            "for" => [For(token.Line)],
            "if" => [If(token.Line)],
            "set" => [Set(token.Line)],
            "macro" => [Macro()],
            "call" => [CallBlock(token.Line)],
            "filter" => [FilterBlock(token.Line)],
            "with" => [With(token.Line)],
            "generation" => [new Generation(Apart(() => Rest("endgeneration"))) { Line = token.Line }],
            "break" or "continue" => [Leave(token)],
            "print" => Prints(token.Line),
            "autoescape" or "block" or "extends" or "include" or "import" or "from" => throw Wrong(
                $"the tag '{token.Text}' belongs to web pages of several files; a chat template is one text without it", token.Line),
            _ => throw Unknown(token),
        };
        open.Pop();
        return made;
    }

    private JinjaException Unknown(Token token)
    {
        open.Pop();
        return Wrong($"Encountered unknown tag '{token.Text}'. {Looking()}".TrimEnd(), token.Line);
    }

    private string Looking() =>
        (ends.Length > 0 ? $"Jinja was looking for the following tags: {string.Join(" or ", ends.Select(static end => $"'{end}'"))}. " : "")
        + (open.Count > 0 ? $"The innermost block that needs to be closed is '{open.Peek()}'." : "");

    // A body that begins after the tag's end; the token after it is one of the tags.
    private Statement[] Block(params string[] until)
    {
        Skip(":");
        Expect(TokenKind.BlockEnd, "end of statement block");
        return Body(until);
    }

    private Statement[] Rest(string end)
    {
        var body = Block(end);
        Next();
        return body;
    }

    // Bodies that Jinja compiles apart: no loop around them can be left from within.
    private T Apart<T>(Func<T> read)
    {
        var outer = loops;
        loops = 0;
        var result = Within(leniently: false, read);
        loops = outer;
        return result;
    }

    private For For(int line)
    {
        var target = Target("in");
        if (!SkipName("in")) throw Unexpected("in");
        var elements = Tuple(withConditions: false, endName: "recursive");
        fields.Given(target, elements);
        return Within(leniently: false, () =>
        {
            var condition = SkipName("if") ? Expression() : null;
            var recursive = SkipName("recursive");
            loops++;
            var body = Block("endfor", "else");
            loops--;
            var otherwise = Next().Text == "endfor" ? [] : Rest("endfor");
            return new For(target, elements, condition, body, otherwise, recursive, Number("loop")) { Line = line };
        });
    }

    private If If(int line) => Within(leniently: true, () =>
    {
        var branches = new List<(Expression, Statement[])>();
        Statement[] otherwise = [];
        string end;
        do
        {
            var condition = Tuple(withConditions: false);
            branches.Add((condition, Block("elif", "else", "endif")));
            end = Next().Text;
        }
        while (end == "elif");
        if (end == "else") otherwise = Rest("endif");
        return new If([.. branches], otherwise) { Line = line };
    });

    private Statement Set(int line)
    {
        var target = Target(null, withNamespaces: true);
        if (Skip("="))
        {
            var value = Tuple(withConditions: true);
            fields.Given(target, value);
            return new Set(target, value) { Line = line };
        }

        Filtered? filter = null;
        while (Current.IsSign("|")) filter = Filter(filter);
        return new SetBlock(target, filter, Within(leniently: false, () => Rest("endset"))) { Line = line };
    }

    private Macro Macro()
    {
        var name = Expect(TokenKind.Name, "name").Text;
        var target = new NameTarget(Number(name));
        return new Macro(Definition(name, () => Parameters(), "endmacro"), target);
    }

    private CallBlock CallBlock(int line)
    {
        var parameters = Current.IsSign("(") ? Parameters() : [];
        if (Expression() is not Call call) throw Wrong("expected call", line);
        return new CallBlock(call, Definition("caller", () => parameters, "endcall")) { Line = line };
    }

    private MacroDefinition Definition(string name, Func<(string, int, Expression?)[]> parameters, string end)
    {
        loaded.Push([]);
        var definition = Apart(() =>
        {
            var read = parameters();
            var body = Rest(end);
            return new MacroDefinition(name, read, body, Extra("varargs"), Extra("kwargs"), Extra("caller"));
        });
        var names = loaded.Pop();
        loaded.Peek().UnionWith(names);
        return definition;

        int? Extra(string extra) => loaded.Peek().Contains(extra) ? Number(extra) : null;
    }

    private (string, int, Expression?)[] Parameters()
    {
        Expect("(");
        var parameters = new List<(string, int, Expression?)>();
        while (!Current.IsSign(")"))
        {
            if (parameters.Count > 0) Expect(",");
            var name = Expect(TokenKind.Name, "name").Text;
            var absent = Skip("=") ? Expression() : null;
            if (absent is null && parameters.Exists(static parameter => parameter.Item3 is not null))
                throw Wrong("non-default argument follows default argument");
            fields.Parameter(Number(name), absent);
            parameters.Add((name, Number(name), absent));
        }

        Expect(")");
        return [.. parameters];
    }

    private FilterBlock FilterBlock(int line) => Within(leniently: lenient, () =>
    {
        var filter = Filter(null, begun: true);
        while (Current.IsSign("|")) filter = Filter(filter);
        return new FilterBlock(filter, Within(leniently: false, () => Rest("endfilter"))) { Line = line };
    });

    private With With(int line) => Within(leniently: false, () =>
    {
        var variables = new List<(Target, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (variables.Count > 0) Expect(",");
            var target = Target(null);
            Expect("=");
            variables.Add((target, Expression()));
            fields.Given(target, variables[^1].Item2);
        }

        return new With([.. variables], Rest("endwith")) { Line = line };
    });

    private Leave Leave(Token token)
    {
        if (loops == 0) throw Wrong($"'{token.Text}' outside loop", token.Line);
        return new Leave(token.Text == "break" ? Flow.Break : Flow.Continue);
    }

    private Statement[] Prints(int line)
    {
        var printed = new List<Statement>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (printed.Count > 0) Expect(",");
            printed.Add(new Print(Expression()) { Line = line });
        }

        return [.. printed];
    }

    /// <summary>What a value is assigned to: a name, several, or an attribute of a namespace.</summary>
    private Target Target(string? endName, bool withNamespaces = false)
    {
        var parts = new List<Target>();
        var several = false;
        while (true)
        {
            if (parts.Count > 0) Expect(",");
            if (EndsTuple(endName)) break;
            parts.Add(One());
            if (!Current.IsSign(",")) break;
            several = true;
        }

        if (several) return new TupleTarget([.. parts]);
        return parts.Count == 1 ? parts[0] : throw Wrong($"Expected an expression, got '{Current.Described}'");

        Target One()
        {
            if (Skip("("))
            {
                var inner = Nested(() => Target(endName, withNamespaces));
                Expect(")");
                return inner;
            }

            var token = Next();
            if (token.Kind != TokenKind.Name || token.Text is "true" or "false" or "none" or "True" or "False" or "None" or "loop")
                throw Wrong($"can't assign to '{token.Described}'", token.Line);
            if (!withNamespaces || !Skip(".")) return new NameTarget(Number(token.Text));
            return new NamespaceTarget(Load(token.Text), Expect(TokenKind.Name, "name").Text);
        }
    }
}

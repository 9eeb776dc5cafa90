"""The page's style sheet."""

STYLE = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6472;--line:#dde1e7;--back:#f6f7f9;
--card:#fff;--chip:#e9edf3;--good:#17693a;--bad:#a3301f}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa4b2;--line:#2c333d;
--back:#12161b;--card:#1a2027;--chip:#28303a;--good:#6fcf97;--bad:#f08a78}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.5rem;margin:0}
h2{font-size:1.05rem;margin:0 0 .6rem}
header p{margin:.3rem 0;color:var(--soft)}
code{font-size:.9em;overflow-wrap:anywhere}
small,nav span{color:var(--soft)}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;
padding:1rem;margin-top:1rem}
section p{margin:0;color:var(--soft)}
.counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.6rem;
margin:1rem 0 0}
.counts div{background:var(--card);border:1px solid var(--line);border-radius:.6rem;
padding:.6rem .8rem}
dt{color:var(--soft);font-size:.85rem}
dd{margin:0;font-size:1.35rem;font-variant-numeric:tabular-nums}
table{width:100%;border-collapse:collapse}
th{text-align:left;font-weight:600;color:var(--soft);font-size:.85rem}
th,td{padding:.35rem .5rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
i{font-style:normal;background:var(--chip);border-radius:.8rem;padding:.05rem .55rem;
margin:0 .25rem .2rem 0;display:inline-block;font-size:.85rem}
b{font-weight:600}
.subscribed{color:var(--good)}
.unsubscribed{color:var(--bad)}
form{display:flex;gap:.5rem;margin-bottom:.6rem}
input,button{font:inherit;padding:.35rem .7rem;border:1px solid var(--line);
border-radius:.4rem;background:var(--back);color:inherit}
input{flex:1;min-width:0}
nav{display:flex;gap:1rem;margin-top:.6rem}
a{color:inherit}
@media(max-width:40rem){
thead{position:absolute;left:-99rem}
tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}
td{display:grid;grid-template-columns:7rem 1fr;border:0;padding:.1rem 0}
td:empty{display:none}
td::before{content:attr(data-head);color:var(--soft);font-size:.85rem}
}
"""
